import { jobIdFrom, loginPath, nextPath } from '@/navigation.js';

const origin = 'https://mammo.example';

it.each([
  ['?next=/jobs/12%3Fa=1', '/jobs/12?a=1'],
  ['?next=/upload', '/upload'],
  ['', '/'],
  ['?next=https://evil.example/', '/'],
  ['?next=//evil.example/x', '/'],
  ['?next=/%5Cevil.example', '/'],
  ['?next=/%09/evil.example', '/'],
  ['?next=javascript:alert(1)', '/'],
  ['?next=/login', '/'],
])('after signing in, %s leads to %s', (search, path) => {
  expect(nextPath(search, origin)).toBe(path);
});

it('comes back to the same page, query included, after the session ended', () => {
  const path = loginPath({ pathname: '/jobs/7', search: '?x=1' });
  expect(nextPath(path.slice(path.indexOf('?')), origin)).toBe('/jobs/7?x=1');
});

it('reads the job’s id from the address', () => {
  expect(jobIdFrom('/jobs/0190-ab')).toBe('0190-ab');
  expect(jobIdFrom('/jobs/')).toBeNull();
  expect(jobIdFrom('/jobs/a/b')).toBeNull();
});
