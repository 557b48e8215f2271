/** Where pages send the browser. The one place that reads addresses from the address bar. */

/** The `next` of a login address if it is a path of this site, else the worklist. Anything that could leave the site is refused. */
export function nextPath(search, origin = location.origin) {
  const wanted = new URLSearchParams(search).get('next');
  if (!wanted || !wanted.startsWith('/')) return '/';
  let url;
  try {
    url = new URL(wanted, origin);
  } catch {
    return '/';
  }
  // “//host” and “/\host” both resolve to another origin, so the comparison covers them
  return url.origin === origin && url.pathname !== '/login' ? url.pathname + url.search + url.hash : '/';
}

export const jobPath = (id) => `/jobs/${encodeURIComponent(id)}`;

/** The id in “/jobs/{id}”. Null when the address is another one. */
export function jobIdFrom(pathname) {
  const found = /^\/jobs\/([^/]+)\/?$/.exec(pathname);
  return found ? decodeURIComponent(found[1]) : null;
}

export function loginPath({ pathname, search }) {
  return `/login?${new URLSearchParams({ next: pathname + search, expired: '1' })}`;
}

/** Signing in by one's own wish, and back. */
export const signInPath = ({ pathname, search, hash }) =>
  `/login?${new URLSearchParams({ next: pathname + search + hash })}`;

/** Where a password of one's own is chosen, and where to go on from there. */
export const passwordPath = ({ pathname, search }) =>
  `/password?${new URLSearchParams({ next: pathname + search, required: '1' })}`;

/** The id in “/webhooks/{id}”. Null when the address is another one. */
export function webhookIdFrom(pathname) {
  const found = /^\/webhooks\/([^/]+)\/?$/.exec(pathname);
  return found ? decodeURIComponent(found[1]) : null;
}

export const modelPath = (digest) => `/models/${encodeURIComponent(digest)}`;
export const modelsComparePath = (left, right) => `/models/compare?${new URLSearchParams({ left, right })}`;
export const jobsComparePath = (left, right) => `/jobs/compare?${new URLSearchParams({ left, right })}`;
export const agreementPath = ({ name, scope }) =>
  `/deployments/${encodeURIComponent(name)}/agreement?${new URLSearchParams({ scope })}`;

/** The digest in “/models/{digest}”. Null when the address is another one. */
export function digestFrom(pathname) {
  const found = /^\/models\/([^/]+)\/?$/.exec(pathname);
  return found ? decodeURIComponent(found[1]) : null;
}

/** The name in “/deployments/{name}/agreement”. Null when the address is another one. */
export function deploymentNameFrom(pathname) {
  const found = /^\/deployments\/([^/]+)\/agreement\/?$/.exec(pathname);
  return found ? decodeURIComponent(found[1]) : null;
}
