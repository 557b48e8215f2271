/** The registry's part of /api/v1: packages, checks, deployments, comparisons, monitoring, audit. Addresses and bodies, no logic. */
import { query, request, upload } from './api.js';

const part = encodeURIComponent;
const post = (path, body) => request(path, { method: 'POST', body });
const deployment = ({ name }) => `/deployments/${part(name)}`;

export const registry = {
  packagesList: (filters, options) => request(`/packages${query(filters)}`, options),
  packageRead: (digest, options) => request(`/packages/${part(digest)}`, options),
  packageReadiness: (digest, options) => request(`/packages/${part(digest)}/readiness`, options),
  packagesCompare: (left, right, options) => request(`/packages/compare${query({ left, right })}`, options),
  packageArchive: (digest, reason) => post(`/packages/${part(digest)}/archive`, { reason }),
  packageUnarchive: (digest, reason) => post(`/packages/${part(digest)}/unarchive`, { reason }),
  packageValidate: (digest) => post(`/packages/${part(digest)}/validate`),
  checkRead: (id, options) => request(`/checks/${part(id)}`, options),
  profilesRead: (options) => request('/packages/profiles', options),
  uploadsList: (options) => request('/packages/uploads', options),
  uploadRead: (id, options) => request(`/packages/uploads/${part(id)}`, options),
  uploadSend: (form, options) => upload('/packages/uploads', form, options),

  deploymentsAll: (options) => request('/deployments/all', options),
  deploymentRead: ({ name, scope }, options) => request(`${deployment({ name })}${query({ scope })}`, options),
  activate: (pointer, body) => post(`${deployment(pointer)}/activate`, { scope: pointer.scope, ...body }),
  rollback: (pointer, body) => post(`${deployment(pointer)}/rollback`, { scope: pointer.scope, ...body }),
  candidateStart: (pointer, body) => post(`${deployment(pointer)}/candidate`, { scope: pointer.scope, ...body }),
  candidateStop: (pointer, body) =>
    request(`${deployment(pointer)}/candidate`, { method: 'DELETE', body: { scope: pointer.scope, ...body } }),
  rulesSet: (pointer, body) =>
    request(`${deployment(pointer)}/rules`, { method: 'PUT', body: { scope: pointer.scope, ...body } }),
  requestDecide: (id, decision, reason) => post(`/deployments/requests/${part(id)}/${decision}`, { reason }),
  agreementRead: ({ name, ...filters }, options) =>
    request(`${deployment({ name })}/agreement${query(filters)}`, options),

  jobsRerun: (body) => post('/jobs/rerun', body),
  jobReplay: (id) => post(`/jobs/${part(id)}/replay`),
  jobReplays: (id, options) => request(`/jobs/${part(id)}/replays`, options),
  jobsCompare: (left, right, options) => request(`/jobs/compare${query({ left, right })}`, options),

  monitoringRead: ({ name, ...filters }, options) =>
    request(`/monitoring/deployments/${part(name)}${query(filters)}`, options),
  alertsList: (options) => request('/monitoring/alerts', options),
  alertAcknowledge: (id) => post(`/monitoring/alerts/${part(id)}/acknowledge`),
  auditList: (filters, options) => request(`/audit${query(filters)}`, options),
};

/** Addresses for links: files of a package, whole packages, histories. */
export const registryUrl = {
  file: (digest, path) => `/api/v1/packages/${part(digest)}/files/${path.split('/').map(part).join('/')}`,
  download: (digest) => `/api/v1/packages/${part(digest)}/download`,
  history: (name) => `/api/v1/deployments/history${query({ name, as: 'csv' })}`,
  audit: (filters) => `/api/v1/audit/export${query(filters)}`,
};
