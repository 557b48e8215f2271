/** People, tokens, webhooks, sites and operations in /api/v1: addresses and bodies, no logic. */
import { query, request } from './api.js';

const part = encodeURIComponent;
const post = (path, body = {}) => request(path, { method: 'POST', body });
const patch = (path, body) => request(path, { method: 'PATCH', body });
const remove = (path) => request(path, { method: 'DELETE' });

export const admin = {
  passwordChange: (body) => request('/session/password', { method: 'PUT', body }),

  usersList: (filters, options) => request(`/users${query(filters)}`, options),
  userAdd: (body) => post('/users', body),
  userChange: (id, body) => patch(`/users/${part(id)}`, body),
  userPasswordReset: (id) => post(`/users/${part(id)}/password`),

  tokensList: (filters, options) => request(`/tokens${query(filters)}`, options),
  tokenAdd: (body) => post('/tokens', body),
  tokenRevoke: (id) => remove(`/tokens/${part(id)}`),

  webhooksList: (options) => request('/webhooks', options),
  webhookRead: (id, options) => request(`/webhooks/${part(id)}`, options),
  webhookAdd: (body) => post('/webhooks', body),
  webhookChange: (id, body) => patch(`/webhooks/${part(id)}`, body),
  webhookRemove: (id) => remove(`/webhooks/${part(id)}`),
  webhookRotate: (id) => post(`/webhooks/${part(id)}/rotate`),
  webhookTest: (id) => post(`/webhooks/${part(id)}/test`),
  deliveriesList: (id, filters, options) => request(`/webhooks/${part(id)}/deliveries${query(filters)}`, options),
  deliveriesReplay: (id, body) => post(`/webhooks/${part(id)}/replay`, body),
  deliveryReplay: (id) => post(`/webhooks/deliveries/${part(id)}/replay`),

  sitesList: (filters, options) => request(`/sites${query(filters)}`, options),
  siteAdd: (body) => post('/sites', body),
  siteChange: (slug, body) => patch(`/sites/${part(slug)}`, body),

  operationsRead: (filters, options) => request(`/operations${query(filters)}`, options),
  failuresList: (options) => request('/failures', options),
};
