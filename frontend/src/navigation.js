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
