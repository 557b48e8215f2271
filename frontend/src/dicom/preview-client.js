/** Asks the preview worker, one file after another, so that memory holds one decoded view at a time. */
let worker = null;
let next = 0;
let tail = Promise.resolve();

function ask(file) {
  worker ??= new Worker(new URL('./preview-worker.js', import.meta.url), { type: 'module' });
  const id = (next += 1);
  return new Promise((resolve, reject) => {
    const answered = ({ data }) => {
      if (data.id !== id) return;
      done();
      if (data.error) reject(new Error(data.error));
      else resolve({ facts: data.facts, preview: data.preview });
    };
    const broke = (event) => {
      done();
      worker.terminate();
      worker = null; // a worker out of memory is replaced for the next file
      reject(new Error(event.message || 'the preview worker stopped'));
    };
    const done = () => {
      worker.removeEventListener('message', answered);
      worker.removeEventListener('error', broke);
    };
    worker.addEventListener('message', answered);
    worker.addEventListener('error', broke);
    worker.postMessage({ id, file });
  });
}

/** → { facts, preview } as dicomPreview gives them; rejects when the header cannot be read. */
export function previewRequest(file) {
  const mine = tail.then(() => ask(file));
  tail = mine.catch(() => {}); // the caller of this file hears of it; the next file must not
  return mine;
}
