import {
  api,
  ApiProblem,
  artifactUrl,
  ConnectionLost,
  cursorOf,
  onUnauthenticated,
  problemFrom,
  request,
  retryAfterParse,
} from '@/api.js';

const answer = (status, body, headers = {}) =>
  new Response(body === null ? null : typeof body === 'string' ? body : JSON.stringify(body), { status, headers });

let fetched;
function serve(response) {
  fetched = vi.fn(async () => response);
  vi.stubGlobal('fetch', fetched);
}

afterEach(() => {
  vi.unstubAllGlobals();
  onUnauthenticated(() => {});
  document.cookie = 'csrftoken=; Max-Age=0';
});

it('raises the problem in the server’s own words', async () => {
  serve(
    answer(422, {
      title: 'Not a mammogram',
      code: 'input:not_mammography',
      detail: 'The DICOM object is not a mammography image.',
      action: 'Send objects of modality MG.',
      errors: [
        {
          field: 'files[1]',
          code: 'input:not_mammography',
          message: 'modality CT',
        },
      ],
    }),
  );
  const problem = await request('/studies').catch((error) => error);
  expect(problem).toBeInstanceOf(ApiProblem);
  expect(problem).toMatchObject({
    status: 422,
    code: 'input:not_mammography',
    title: 'Not a mammogram',
  });
  expect(problem.errors).toEqual([
    { field: 'files[1]', fileIndex: 1, message: 'modality CT', aside: '', english: false },
  ]);
  expect(problem.sentences).toEqual([
    'The DICOM object is not a mammography image.',
    'File 2: modality CT',
    'Send objects of modality MG.',
  ]);
});

it('says each sentence of a problem once', () => {
  const problem = problemFrom({
    status: 400,
    body: {
      title: 'x',
      detail: 'same',
      action: 'same',
      errors: [{ message: 'same' }],
    },
  });
  expect(problem.sentences).toEqual(['same']);
});

it('reads errors that come as a mapping', () => {
  const problem = problemFrom({
    status: 400,
    body: { title: 'x', errors: { priority: ['unknown', 'late'] } },
  });
  expect(problem.sentences).toEqual(['priority: unknown', 'priority: late']);
});

it('names the status where a proxy answered with a page instead of a problem', async () => {
  serve(answer(502, '<html>Bad Gateway</html>', { 'Retry-After': '7' }));
  const problem = await request('/jobs').catch((error) => error);
  expect(problem).toMatchObject({
    status: 502,
    code: 'http:502',
    retryAfterSeconds: 7,
  });
  expect(problem.title).toContain('502');
  expect(problem.sentences).toEqual([]);
});

it('tells a lost connection from a refusal', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('Failed to fetch');
  });
  const problem = await request('/jobs').catch((error) => error);
  expect(problem).toBeInstanceOf(ConnectionLost);
  expect(problem.status).toBe(0);
});

it('answers a 304 without data', async () => {
  serve(answer(304, null, { ETag: 'W/"5"' }));
  expect(await request('/jobs', { etag: 'W/"5"' })).toEqual({
    status: 304,
    data: null,
    etag: 'W/"5"',
    retryAfterSeconds: null,
  });
  expect(fetched.mock.calls[0][1].headers['If-None-Match']).toBe('W/"5"');
});

it('sends the CSRF token of the cookie with everything that changes state, and with nothing else', async () => {
  document.cookie = 'csrftoken=abc';
  serve(answer(202, { id: 1 }));
  await api.jobCancel('a/b');
  expect(fetched.mock.calls[0][0]).toBe('/api/v1/jobs/a%2Fb/cancel');
  expect(fetched.mock.calls[0][1].headers['X-CSRFToken']).toBe('abc');
  serve(answer(200, { results: [] }));
  await api.jobsSummary();
  expect(fetched.mock.calls[0][1].headers).not.toHaveProperty('X-CSRFToken');
});

it('reports an ended session once, but not a wrong password', async () => {
  const ended = vi.fn();
  onUnauthenticated(ended);
  serve(answer(401, { title: 'Sign in', code: 'auth:required' }));
  await request('/jobs').catch(() => {});
  expect(ended).toHaveBeenCalledOnce();
  await api.sessionOpen({ username: 'a', password: 'b' }).catch(() => {});
  expect(ended).toHaveBeenCalledOnce();
});

it('leaves empty filters out of the query', async () => {
  serve(answer(200, { results: [] }));
  await api.jobsList({
    status: 'FAILED',
    external_id: '',
    priority: null,
    cursor: undefined,
  });
  expect(fetched.mock.calls[0][0]).toBe('/api/v1/jobs?status=FAILED');
});

it.each([
  ['12', 12],
  ['0', 0],
  [null, null],
  ['soon', null],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 30],
])('reads Retry-After %s as %s seconds', (header, seconds) => {
  expect(retryAfterParse(header, 30000)).toBe(seconds);
});

it('takes only the cursor from a page’s address', () => {
  expect(cursorOf('http://internal:8000/api/v1/jobs?cursor=cD0y&status=FAILED')).toBe('cD0y');
  expect(cursorOf(null)).toBeNull();
});

it.each([
  ['/api/v1/jobs/1/artifacts/a.png', '/api/v1/jobs/1/artifacts/a.png'],
  ['https://elsewhere.example/api/v1/a.png', null],
  ['//elsewhere.example/api/v1/a.png', null],
  ['/static/a.png', null],
  ['javascript:alert(1)', null],
  [undefined, null],
])('loads an image from %s only if it is this host’s API', (address, expected) => {
  expect(artifactUrl(address)).toBe(expected);
});
