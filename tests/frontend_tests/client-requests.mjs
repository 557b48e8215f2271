/**
 * Calls every function of the page's API clients once, with a fetch that records instead of asking. Prints JSON lines:
 * {client, method, path, query, body}. Held against the OpenAPI document by test_api_contract.py.
 */
const { readdirSync } = await import('node:fs');
const { stdout } = await import('node:process');
const source = new URL('../../frontend/src/', import.meta.url);

/** What the pages pass, where it is more than an id: the names are what counts. */
const worklist = {
  status: ['FAILED'],
  priority: 'stat',
  deployment: 'x',
  label: 'x',
  side: 'above',
  reading: 'unread',
  search: 'x',
  site: '*',
  sort: 'oldest',
  created_after: 'x',
  created_before: 'x',
};
const saved = { name: 'x', query: {}, is_default: true };
const form = { format: 'csv', identifiers: true };
const given = {
  'api.sessionOpen': [{ username: 'x', password: 'x' }],
  'api.jobsList': [{ ...worklist, cursor: 'x', page_size: 200 }],
  'api.jobsSummary': [undefined, { site: '*' }],
  'worklistApi.viewCreate': [saved],
  'worklistApi.viewChange': ['x', saved],
  'worklistApi.readingMark': [['x'], true],
  'worklistApi.exportCount': [worklist],
  'worklistApi.exportFiltered': [worklist, form],
  'worklistApi.exportChosen': [['x'], { ...form, sort: 'oldest' }],
  'samples.submit': [{ key: 'x' }],
  'samples.studiesList': [{ page_size: 1 }],
  'api.studySubmit': [
    {
      uploads: ['x'],
      external_id: 'x',
      priority: 'stat',
      deployment: 'x',
      image_laterality: ['L'],
      view_position: ['CC'],
    },
    { key: 'x' },
  ],
  'admin.passwordChange': [{ current_password: 'x', new_password: 'x' }],
  'admin.usersList': [{ cursor: 'x', page_size: 200 }],
  'admin.userAdd': [{ username: 'x', role: 'x', site: 'x' }],
  'admin.userChange': ['x', { role: 'x', is_active: true }],
  'admin.tokensList': [{ cursor: 'x' }],
  'admin.tokenAdd': [{ name: 'x', user: 1, expires_at: null, read_only: true }],
  'admin.webhookAdd': [{ url: 'x', description: 'x', event_types: ['x'] }],
  'admin.webhookChange': ['x', { url: 'x', description: 'x', event_types: ['x'], is_active: true }],
  'admin.deliveriesList': ['x', { state: 'x', event_type: 'x', cursor: 'x' }],
  'admin.deliveriesReplay': ['x', { since: 'x', until: 'x', undelivered_only: true }],
  'admin.sitesList': [{ cursor: 'x', page_size: 200 }],
  'admin.siteAdd': [{ slug: 'x', name: 'x' }],
  'admin.siteChange': [
    'x',
    {
      name: 'x',
      is_active: true,
      share_weight: 1,
      max_storage_bytes: 1,
      max_queued_jobs: 1,
      max_studies_per_day: 1,
      max_submissions_per_minute: 1,
      max_submissions_per_minute_of_token: 1,
    },
  ],
  'batches.list': [{ state: ['x'], search: 'x', cursor: 'x' }],
  'batches.items': ['x', { status: ['failed'], custom_id: 'x', failure_code: 'x', cursor: 'x', page_size: 200 }],
  'batches.retry': ['x', ['failed']],
  'batches.quarantine': [{ state: 'x', code: 'x', batch: 'x', cursor: 'x' }],
  'registry.packagesList': [{ state: 'x', search: 'x', page: 1 }],
  'registry.deploymentRead': [{ name: 'x', scope: 'x' }],
  'registry.activate': [
    { name: 'x', scope: 'x' },
    { package: 'x', apply_at: null, reason: 'x' },
  ],
  'registry.rollback': [{ name: 'x', scope: 'x' }, { reason: 'x' }],
  'registry.candidateStart': [
    { name: 'x', scope: 'x' },
    { package: 'x', mode: 'x', share: 1, reason: 'x' },
  ],
  'registry.candidateStop': [{ name: 'x', scope: 'x' }, { reason: 'x' }],
  'registry.rulesSet': [
    { name: 'x', scope: 'x' },
    { rules: {}, reason: 'x' },
  ],
  'registry.agreementRead': [{ name: 'x', scope: 'x', candidate: 'x', since: 'x', mode: 'x' }],
  'registry.jobsRerun': [{ jobs: ['x'], package: 'x', reason: 'x' }],
  'registry.monitoringRead': [{ name: 'x', scope: 'x', window: 'x' }],
  'registry.auditList': [{ action: 'x', actor: 'x', since: 'x', cursor: 'x' }],
  'registry.uploadSend': [new Map(['kind', 'file', 'form'].map((name) => [name, 'x'])), { onProgress() {} }],
  'batchUrl.results': ['x', 'csv'],
  'registryUrl.audit': [{ action: 'x', actor: 'x', since: 'x' }],
};
const decisions = ['approve', 'reject', 'withdraw'];
const repeated = { 'registry.requestDecide': decisions.map((decision) => ['x', decision, 'x']) };
/** What are no requests. */
const left = new Set(['artifactUrl', 'changeHeaders']);

let client = '';
function record(method, address, body) {
  const url = new URL(address, 'http://pages');
  const query = [...new Set(url.searchParams.keys())];
  stdout.write(`${JSON.stringify({ client, method, path: url.pathname, query, body: body ?? [] })}\n`);
}

globalThis.mammoserveWords = (await import(new URL('strings/catalogue-en.js', source))).catalogue;
globalThis.document = { cookie: '' };
globalThis.location = new URL('http://pages/');
globalThis.fetch = async (address, { method = 'GET', body } = {}) => {
  record(method, address, body && Object.keys(JSON.parse(body)));
  return new Response('{}', { status: 200 });
};
globalThis.XMLHttpRequest = class {
  upload = { addEventListener() {} };
  addEventListener() {}
  setRequestHeader() {}
  open(method, address) {
    Object.assign(this, { method, address });
  }
  send(form) {
    record(this.method, this.address, [...form.keys()]);
  }
};

/** An id for every parameter, an empty object for filters and bodies, nothing for options. */
function guessed(call) {
  const [, names = ''] = /^(?:async )?(?:\w+)?\s*\(([^)]*)\)/.exec(call.toString()) ?? [];
  const known = { filters: {}, body: {}, options: undefined };
  return names
    .split(',')
    .filter(Boolean)
    .map((name) => (name.trim() in known ? known[name.trim()] : 'x'));
}

for (const file of readdirSync(source).filter((name) => /(^|-)api\.js$/.test(name))) {
  for (const [name, part] of Object.entries(await import(new URL(file, source)))) {
    if (left.has(name) || typeof part !== 'object') continue;
    for (const [called, call] of Object.entries(part)) {
      client = `${name}.${called}`;
      for (const values of repeated[client] ?? [given[client] ?? guessed(call)]) {
        const answer = call(...values);
        if (typeof answer === 'string') record('GET', answer);
        else await (answer.promise ? null : answer);
      }
    }
  }
}
const { request } = await import(new URL('api.js', source));
client = 'job-bulk';
await request('/jobs/bulk', { method: 'POST', body: { action: 'x', jobs: ['x'] } });
