/** Batches and quarantine in /api/v1: addresses and bodies, no logic. */
import { query, request } from './api.js';

const part = encodeURIComponent;
const post = (path, body = {}) => request(path, { method: 'POST', body });

export const batches = {
  list: (filters, options) => request(`/batches${query(filters)}`, options),
  read: (id, options) => request(`/batches/${part(id)}`, options),
  items: (id, filters, options) => request(`/batches/${part(id)}/items${query(filters)}`, options),
  close: (id) => post(`/batches/${part(id)}/close`),
  cancel: (id) => post(`/batches/${part(id)}/cancel`),
  retry: (id, statuses) => post(`/batches/${part(id)}/retry`, { statuses }),
  quarantine: (filters, options) => request(`/quarantine${query(filters)}`, options),
  release: (id) => post(`/quarantine/${part(id)}/release`),
  discard: (id) => post(`/quarantine/${part(id)}/discard`),
};

/** Addresses of downloads. */
export const batchUrl = {
  results: (id, format) => `/api/v1/batches/${part(id)}/results${query({ format })}`,
  heatmaps: (id) => `/api/v1/batches/${part(id)}/heatmaps`,
};
