/**
 * Sends files in pieces with tus, some at a time: progress for each, pause, resume, and going on after the page was closed.
 *
 * What was sent is remembered in this browser under the file's digest; no name is kept or sent.
 */
import { Upload } from 'tus-js-client';

import { ConnectionLost, changeHeaders, refuse } from '../api.js';

const endpoint = '/api/v1/uploads';
const parallel = 3;
const pieceBytes = 16 * 2 ** 20;
const retryDelays = [0, 1000, 3000, 5000, 10000, 20000, 30000];

const uploadId = (url) => new URL(url, location.origin).pathname.split('/').filter(Boolean).pop();

/** tus reports every failure as one Error; the server's own words are in the response, where there is one. */
function problemOf(error) {
  const response = error.originalResponse;
  if (!response?.getStatus()) return new ConnectionLost();
  return refuse({
    status: response.getStatus(),
    text: response.getBody(),
    retryAfter: response.getHeader('Retry-After'),
  });
}

function uploadCreate({ file, fingerprint, onProgress, onDone, onFailed }) {
  const upload = new Upload(file, {
    endpoint,
    chunkSize: pieceBytes,
    retryDelays,
    metadata: { kind: 'file', ...(/^[0-9a-f]{64}$/.test(fingerprint) && { sha256: fingerprint }) },
    fingerprint: async () => `mammoserve ${fingerprint} ${file.size}`,
    removeFingerprintOnSuccess: true,
    // tus gives up on 4xx; “not now” (an upload that is still locked, too many at once) is worth another try
    onShouldRetry: (error) => [0, 409, 423, 429, 500, 502, 503, 504].includes(error.originalResponse?.getStatus() ?? 0),
    onBeforeRequest: (request) => {
      for (const [name, value] of Object.entries(changeHeaders())) request.setHeader(name, value);
    },
    onProgress: (sent) => onProgress(sent),
    onSuccess: () => onDone(uploadId(upload.url)),
    onError: (error) => onFailed(problemOf(error)),
  });
  return upload;
}

/**
 * `add({ file, fingerprint, onProgress(bytes), onDone(id), onFailed(problem) })` queues one file. `pause`, `resume`, `stop`;
 * a stopped transfer keeps at the server what has arrived, and the same file goes on from there later.
 */
export function transfersCreate() {
  const waiting = [];
  const active = new Map();
  let paused = false;

  async function begin(item) {
    const over = (tell) => (value) => {
      active.delete(item);
      tell(value);
      pump();
    };
    item.upload ??= uploadCreate({ ...item, onDone: over(item.onDone), onFailed: over(item.onFailed) });
    active.set(item, item.upload);
    if (!item.upload.url) {
      const [before] = await item.upload.findPreviousUploads();
      if (before) item.upload.resumeFromPreviousUpload(before);
    }
    if (active.has(item)) item.upload.start();
  }

  function pump() {
    while (!paused && active.size < parallel && waiting.length) begin(waiting.shift());
  }

  function pause() {
    paused = true;
    const interrupted = [...active.keys()];
    active.clear();
    waiting.unshift(...interrupted);
    return Promise.all(interrupted.map(({ upload }) => upload.abort()));
  }

  return {
    add(item) {
      waiting.push(item);
      pump();
    },
    pause,
    resume() {
      paused = false;
      pump();
    },
    async stop() {
      await pause();
      waiting.length = 0;
      paused = false;
    },
    get paused() {
      return paused;
    },
  };
}
