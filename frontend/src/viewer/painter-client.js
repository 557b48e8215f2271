/** The page's end of a painter: promises, and of many wishes to draw only the latest. One worker an image. */

/** The line is one view's at a time, so that the first has it alone; a view is unpacked while the next one comes. */
let lineFree = Promise.resolve();

function turn(work) {
  const mine = lineFree.then(work);
  lineFree = mine.catch(() => {}); // whoever asked is told; the next one's turn comes all the same
  return mine;
}

const workerStart = () => new Worker(new URL('./painter-worker.js', import.meta.url), { type: 'module' });
const spare = [];
const spareCount = 2;

/** Starts workers before it is known what they will draw: that takes as long as asking for the result. */
export function paintersPrepare() {
  while (spare.length < spareCount) {
    const worker = workerStart();
    worker.addEventListener('error', () => spare.includes(worker) && spare.splice(spare.indexOf(worker), 1));
    spare.push(worker);
  }
}

export class PainterClient {
  #worker = null;
  #next = 0;
  #waiting = new Map();

  /** Fetch and unpack the pixels; then the maps where there are any. Rejects when the pixels cannot be had. */
  async open({ pixels, maps }) {
    this.#worker = spare.shift() ?? workerStart();
    this.#worker.addEventListener('message', ({ data }) => this.#answered(data));
    this.#worker.addEventListener('error', (event) => this.#broke(event.message || 'the painter stopped'));
    await turn(() => this.#ask('load', { url: pixels.url }));
    await this.#ask('unpack', { pixels });
    if (maps) this.mapsReady = this.#ask('maps', maps);
  }

  /** Whether the maps came; they are not needed for the image. */
  mapsReady = Promise.resolve();

  draw(request) {
    return this.#ask('draw', { request }).then(({ rgba }) => rgba);
  }

  valueAt(point) {
    return this.#ask('value', { point }).then(({ value }) => value);
  }

  close() {
    this.#worker?.terminate();
    this.#broke('closed');
  }

  #ask(task, values) {
    const id = (this.#next += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, task, ...values });
    });
  }

  #answered({ id, error, ...answer }) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error));
    else waiting?.resolve(answer);
  }

  #broke(message) {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
  }
}

/** Runs `work(latest wish)` again and again, one at a time, and forgets wishes that newer ones overtook. */
export function latestOnly(work) {
  let wish = null;
  let busy = false;
  const run = async () => {
    busy = true;
    while (wish) {
      const current = wish;
      wish = null;
      await work(current);
    }
    busy = false;
  };
  return (next) => {
    wish = next;
    if (!busy) run();
  };
}
