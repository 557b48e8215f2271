/** The worker around painter.js: fetching, unpacking and drawing a full-size view takes time that the page must not lose. */
import { mapsRead } from './maps.js';
import { Painter } from './painter.js';
import { planesUnpack } from './pixels.js';

let painter = null;
let packed = null;

async function read(url) {
  const response = await fetch(url, { credentials: 'same-origin' });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.arrayBuffer();
}

const tasks = {
  async load({ url }) {
    packed = new Uint8Array(await read(url));
    return {};
  },
  async unpack({ pixels }) {
    painter = new Painter(pixels, await planesUnpack(packed, pixels));
    packed = null;
    return {};
  },
  async maps({ url, fromSource }) {
    painter.mapsSet(mapsRead(await read(url)), fromSource);
    return {};
  },
  draw: ({ request }) => ({ rgba: painter.draw(request) }),
  value: ({ point }) => ({ value: painter.valueAt(point) }),
};

self.addEventListener('message', async ({ data: { id, task, ...values } }) => {
  let answer;
  try {
    answer = { id, ...(await tasks[task](values)) };
  } catch (error) {
    answer = { id, error: String(error?.message ?? error) };
  }
  self.postMessage(answer, answer.rgba ? [answer.rgba.buffer] : []);
});
