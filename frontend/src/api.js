/**
 * The client of /api/v1: same-origin session, CSRF, problem+json errors, ETags. Not for retrying: that is polling.js.
 */
import { answerParse, english } from './server-words.js';
import { t } from './strings/index.js';

const base = '/api/v1';
let csrfToken = '';
let unauthenticatedHandler = () => {};
let passwordWantedHandler = () => {};

/** An error the server explained (problem+json), or the nearest thing to it when it did not. */
export class ApiProblem extends Error {
  /** `english`: which of `title`, `detail` and `action` are the server's English on a page of another language. */
  constructor({ status, code, title, detail, action, errors, retryAfterSeconds, english: left = [] }) {
    super(title);
    this.name = 'ApiProblem';
    Object.assign(this, {
      status,
      code,
      title,
      detail,
      action,
      errors: errorsRead(errors),
      retryAfterSeconds,
      english: left,
    });
  }

  /** Everything a person should read, without saying the same thing twice: each a child for `h`, the server's English marked. */
  get sentences() {
    const saidOf = (name) => [this[name], this.english.includes(name) ? english(this[name]) : this[name]];
    const fields = this.errors.map(({ field, fileIndex, message, aside, english: left }) => {
      const place = fileIndex === null ? field : t('errors.fileNumber', { n: fileIndex + 1 });
      const at = place ? `${place}: ` : '';
      const whole = `${at}${message}${aside}`;
      const said = left ? english(message) : message;
      return [whole, said === message && !aside ? whole : [at, said, english(aside)]];
    });
    const all = [saidOf('detail'), ...fields, saidOf('action')].filter(([text]) => text);
    return [...new Map(all).values()];
  }
}

/**
 * The `errors` of a problem as [{ field, fileIndex, message }]. The server lists { field, message, … } entries, where a
 * field may be “files[2]”; a mapping of field to messages, as some proxies send, is read too.
 */
function errorsRead(errors) {
  const listed = Array.isArray(errors)
    ? errors
    : Object.entries(errors ?? {}).flatMap(([field, messages]) =>
        [messages].flat().map((message) => ({ field, message })),
      );
  return listed
    .filter((entry) => entry !== null && typeof entry === 'object')
    .map(({ field, file, index, message, aside = '', english: left = false }) => {
      const at = /^files?[.[](\d+)/.exec(field ?? '')?.[1] ?? index ?? file;
      return {
        field: field ?? '',
        fileIndex: /^\d+$/.test(at ?? '') ? Number(at) : null,
        message: String(message ?? ''),
        aside,
        english: left,
      };
    })
    .filter(({ message }) => message);
}

/** No answer at all: network, DNS, server gone. */
export class ConnectionLost extends ApiProblem {
  constructor() {
    super({
      status: 0,
      code: 'client:connection_lost',
      title: t('errors.connectionTitle'),
      detail: t('errors.connection'),
      action: t('errors.connectionAction'),
      retryAfterSeconds: null,
    });
    this.name = 'ConnectionLost';
  }
}

export const onUnauthenticated = (handler) => {
  unauthenticatedHandler = handler;
};

/** Called when the server wants a password of the person's own before anything else. */
export const onPasswordWanted = (handler) => {
  passwordWantedHandler = handler;
};

/** Seconds from a Retry-After header: a number or an HTTP date. Null when absent or unreadable. */
export function retryAfterParse(header, now = Date.now()) {
  if (!header) return null;
  if (/^\d+$/.test(header.trim())) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, Math.round((at - now) / 1000));
}

/** An ApiProblem from any refused answer: `body` is its parsed JSON, or null where it was something else. */
export function problemFrom({ status, body, retryAfterSeconds = null }) {
  const known = body !== null && typeof body === 'object' ? body : {};
  return new ApiProblem({
    status,
    code: known.code ?? `http:${status}`,
    title: known.title ?? t('errors.status', { status }),
    detail: typeof known.detail === 'string' ? known.detail : '',
    action: known.action ?? '',
    errors: known.errors,
    retryAfterSeconds,
    english: known.english,
  });
}

export function csrfRead() {
  const pair = document.cookie.split('; ').find((entry) => entry.startsWith('csrftoken='));
  return pair ? decodeURIComponent(pair.slice('csrftoken='.length)) : csrfToken;
}

function jsonParse(text) {
  try {
    return answerParse(text);
  } catch {
    return null; // the caller reports the status; a proxy's HTML page carries nothing worth showing
  }
}

/** `redirect`: whether a 401 means that the session ended (it does everywhere but on the login page). */
export function refuse({ status, text, retryAfter, redirect = true }) {
  const problem = problemFrom({ status, body: jsonParse(text), retryAfterSeconds: retryAfterParse(retryAfter) });
  if (status === 401 && redirect) unauthenticatedHandler(problem);
  if (problem.code === 'auth:password_change_required') passwordWantedHandler(problem);
  return problem;
}

/**
 * One request. Returns { status, data, etag, retryAfterSeconds }; `data` is null for 204 and 304.
 * Raises ApiProblem, ConnectionLost, or AbortError when `signal` fires.
 */
export async function request(path, { method = 'GET', body, signal, etag, redirect, key } = {}) {
  const headers = { Accept: 'application/json' };
  if (key) headers['Idempotency-Key'] = key;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET') headers['X-CSRFToken'] = csrfRead();
  if (etag) headers['If-None-Match'] = etag;
  let response;
  let text;
  try {
    response = await fetch(base + path, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: etag ? 'no-store' : 'default', // with our own If-None-Match the browser's cache must not answer in between
    });
    text = await response.text();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ConnectionLost();
  }
  const { status } = response;
  const retryAfter = response.headers.get('Retry-After');
  if (status !== 304 && !response.ok) throw refuse({ status, text, retryAfter, redirect });
  const data = status === 204 || status === 304 ? null : jsonParse(text);
  if (status === 200 && data === null) {
    throw new ApiProblem({ status, code: 'client:unreadable', title: t('errors.unreadable'), detail: '', action: '' });
  }
  return { status, data, etag: response.headers.get('ETag'), retryAfterSeconds: retryAfterParse(retryAfter) };
}

/**
 * Send a multipart form with progress, which fetch does not report. Returns { promise, abort }.
 * The promise resolves to { data, location } and rejects with ApiProblem, ConnectionLost or an AbortError.
 */
export function upload(path, form, { onProgress }) {
  const transfer = new XMLHttpRequest();
  const promise = new Promise((resolve, reject) => {
    transfer.open('POST', base + path);
    transfer.setRequestHeader('Accept', 'application/json');
    transfer.setRequestHeader('X-CSRFToken', csrfRead());
    transfer.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable) onProgress({ sentBytes: event.loaded, totalBytes: event.total });
    });
    transfer.addEventListener('load', () => {
      const { status, responseText: text } = transfer;
      if (status >= 200 && status < 300) {
        resolve({ data: jsonParse(text), location: transfer.getResponseHeader('Location') });
      } else {
        reject(refuse({ status, text, retryAfter: transfer.getResponseHeader('Retry-After') }));
      }
    });
    transfer.addEventListener('error', () => reject(new ConnectionLost()));
    transfer.addEventListener('abort', () => reject(new DOMException('stopped', 'AbortError')));
    transfer.send(form);
  });
  return { promise, abort: () => transfer.abort() };
}

/** Headers of a change that something other than `request` sends. */
export const changeHeaders = () => ({ 'X-CSRFToken': csrfRead() });

export const query = (parameters) => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== '') search.append(name, one);
  }
  const text = search.toString();
  return text ? `?${text}` : '';
};

const idPath = (id) => encodeURIComponent(id);

export const api = {
  async sessionRead(options) {
    const answer = await request('/session', options);
    csrfToken = answer.data.csrf_token ?? '';
    return answer.data;
  },
  async sessionOpen(credentials) {
    const answer = await request('/session', { method: 'POST', body: credentials, redirect: false });
    csrfToken = answer.data.csrf_token ?? '';
    return answer.data;
  },
  sessionClose: () => request('/session', { method: 'DELETE' }),
  jobsList: (filters, options) => request(`/jobs${query(filters)}`, options),
  jobsSummary: (options, filters = {}) => request(`/jobs/summary${query(filters)}`, options),
  jobRead: (id, options) => request(`/jobs/${idPath(id)}`, options),
  jobEvents: (id, options) => request(`/jobs/${idPath(id)}/events`, options),
  jobResult: (id, options) => request(`/jobs/${idPath(id)}/result`, options),
  jobCancel: (id) => request(`/jobs/${idPath(id)}/cancel`, { method: 'POST' }),
  jobRetry: (id) => request(`/jobs/${idPath(id)}/retry`, { method: 'POST' }),
  deploymentsList: (options) => request('/deployments', options),
  /** `key`: sent again with the same one, nothing is made twice. */
  studySubmit: (body, { key }) => request('/studies', { method: 'POST', body, key }),
};

/** The `cursor` of a page's `next` or `previous` address, whatever host it names. Null when there is no such page. */
export function cursorOf(address) {
  if (!address) return null;
  return new URL(address, location.origin).searchParams.get('cursor');
}

/** An address from the server, only if it stays on this host's API; images are loaded from nowhere else. */
export function artifactUrl(address) {
  if (typeof address !== 'string') return null;
  const url = new URL(address, location.origin);
  return url.origin === location.origin && url.pathname.startsWith(`${base}/`) ? url.pathname + url.search : null;
}

/** What a `next` or `previous` address asks for, whatever host it names: { page: '2', … }. Empty when there is no such page. */
export function filtersOf(address) {
  return address ? Object.fromEntries(new URL(address, location.origin).searchParams) : {};
}
