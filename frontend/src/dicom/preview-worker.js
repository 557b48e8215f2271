/** The worker around preview.js: decoding a full-size view takes a second that the page must not lose. */
import { dicomPreview } from './preview.js';

self.addEventListener('message', async ({ data: { id, file } }) => {
  let answer;
  try {
    answer = { id, ...dicomPreview(new Uint8Array(await file.arrayBuffer())) };
  } catch (error) {
    answer = { id, error: String(error?.message ?? error) };
  }
  self.postMessage(answer);
});
