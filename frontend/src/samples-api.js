/** The sample study in /api/v1: addresses and bodies, no logic. */
import { query, request } from './api.js';

export const samples = {
  /** `key`: sent again with the same one, nothing is made twice. */
  submit: ({ key }) => request('/sample-study', { method: 'POST', key }),
  remove: () => request('/sample-study', { method: 'DELETE' }),
  studiesList: (filters, options) => request(`/studies${query(filters)}`, options),
};
