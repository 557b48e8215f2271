/**
 * The one way pages follow the server: conditional requests, paused in hidden tabs, backing off on errors.
 *
 * States, as given to `onState`: { name: 'live' } · { name: 'paused' } · { name: 'retrying', seconds, error } · { name: 'stopped' }.
 * Knows nothing of what it fetches, and shows nothing.
 */
const backoffFirstSeconds = 2;
const backoffLimitSeconds = 30;
const retryAfterLimitSeconds = 60;

/** Seconds to wait after the n-th error in a row (n ≥ 1): doubling, ±20 % so that many tabs do not return at once. */
export function backoffSeconds(failures, random = Math.random) {
  const doubled = Math.min(backoffLimitSeconds, backoffFirstSeconds * 2 ** (failures - 1));
  return doubled * (0.8 + 0.4 * random());
}

/**
 * `fetcher({ etag, signal })` → { status, data, etag, retryAfterSeconds }, as api.request answers.
 * `onData(data)` is called for a 200, never for a 304. `delaySeconds(data)` → seconds until the next poll, or null to stop.
 * `isFatal(error)` → true stops and hands the error to `onFatal`.
 */
export function pollingCreate({
  fetcher,
  onData,
  onState = () => {},
  onFatal = () => {},
  delaySeconds = () => 3,
  isFatal = (error) => error.status === 404 || error.status === 403 || error.status === 401,
  page = document,
  random = Math.random,
}) {
  let etag = null;
  let latest = null;
  let failures = 0;
  let timer = null;
  let request = null;
  let running = false;
  let ended = false;

  const clear = () => {
    clearTimeout(timer);
    timer = null;
  };

  function schedule(seconds) {
    clear();
    timer = setTimeout(poll, seconds * 1000);
  }

  function halt() {
    running = false;
    clear();
    request?.abort();
    request = null;
    page.removeEventListener('visibilitychange', visibilityChanged);
    window.removeEventListener('online', refresh);
  }

  function answered(answer) {
    failures = 0;
    if (answer.status !== 304) {
      etag = answer.etag;
      latest = answer.data;
      onData(answer.data);
    }
    if (!running) return; // onData may have stopped us
    const wanted = delaySeconds(latest);
    if (wanted === null) {
      halt();
      onState({ name: 'stopped' });
      return;
    }
    onState({ name: 'live' });
    const asked = Math.min(answer.retryAfterSeconds ?? 0, retryAfterLimitSeconds);
    schedule(Math.max(wanted, asked));
  }

  function failed(error) {
    if (isFatal(error)) {
      halt();
      ended = error.status === 401;
      onState({ name: 'stopped' });
      onFatal(error);
      return;
    }
    failures += 1;
    const asked = Math.min(error.retryAfterSeconds ?? 0, retryAfterLimitSeconds);
    const seconds = Math.max(backoffSeconds(failures, random), asked);
    onState({ name: 'retrying', seconds, error });
    schedule(seconds);
  }

  async function poll() {
    clear();
    if (!running) return;
    if (page.hidden) {
      onState({ name: 'paused' });
      return;
    }
    request?.abort();
    const mine = new AbortController();
    request = mine;
    let answer;
    try {
      answer = await fetcher({ etag, signal: mine.signal });
    } catch (error) {
      if (error.name === 'AbortError' || request !== mine) return;
      request = null;
      failed(error);
      return;
    }
    if (request !== mine) return; // a newer poll overtook this one
    request = null;
    answered(answer);
  }

  function refresh() {
    if (running) return poll();
    return undefined;
  }

  function visibilityChanged() {
    if (page.hidden) {
      clear();
      onState({ name: 'paused' });
    } else {
      refresh();
    }
  }

  function start() {
    if (running) return undefined;
    running = true;
    ended = false;
    page.addEventListener('visibilitychange', visibilityChanged);
    window.addEventListener('online', refresh);
    return poll();
  }

  // Signed in again without leaving the page: what only the end of the session had stopped goes on.
  window.addEventListener('session-renewed', () => ended && start());

  return {
    start,
    stop: halt,
    /** Ask again now; also after an action of the user. */
    refresh,
    /** What is asked for has changed: forget the ETag and ask anew. */
    reset() {
      etag = null;
      latest = null;
      failures = 0;
      return refresh();
    },
  };
}
