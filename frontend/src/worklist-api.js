/** The worklist's part of the client: saved views, reading marks, exports. */
import { changeHeaders, ConnectionLost, query, refuse, request } from './api.js';

const part = encodeURIComponent;

/** A file from the API: → { blob, name }. Raises ApiProblem, ConnectionLost. */
async function fileFetch(path, { method = 'GET', body } = {}) {
  let response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers: method === 'GET' ? {} : { ...changeHeaders(), 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
      credentials: 'same-origin',
    });
    if (response.ok) {
      const name = /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition') ?? '')?.[1] ?? 'worklist';
      return { blob: await response.blob(), name };
    }
  } catch {
    throw new ConnectionLost();
  }
  const retryAfter = response.headers.get('Retry-After');
  throw refuse({ status: response.status, text: await response.text(), retryAfter });
}

export const worklistApi = {
  viewsList: (options) => request('/jobs/views', options),
  viewCreate: (body) => request('/jobs/views', { method: 'POST', body }),
  viewChange: (id, body) => request(`/jobs/views/${part(id)}`, { method: 'PATCH', body }),
  viewDelete: (id) => request(`/jobs/views/${part(id)}`, { method: 'DELETE' }),
  /** At most 200 ids at once. */
  readingMark: (jobs, read) => request('/jobs/reading', { method: 'PUT', body: { jobs, read } }),
  readingUntil: (until) => request('/jobs/reading', { method: 'PUT', body: { until } }),
  exportCount: (filters) => request(`/jobs/export/count${query(filters)}`),
  exportFiltered: (filters, form) => fileFetch(`/jobs/export${query({ ...filters, ...form })}`),
  exportChosen: (jobs, form) => fileFetch('/jobs/export', { method: 'POST', body: { jobs, ...form } }),
};
