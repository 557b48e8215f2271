import { gettingStartedCreate, stepsOf } from '@/components/getting-started.js';
import { renewalAsk } from '@/components/renewal-dialog.js';
import { sampleBadge, sampleButton, sampleNote } from '@/components/sample.js';
import { secretShow } from '@/components/secret-dialog.js';
import { h } from '@/dom.js';
import { notesAdd, notesRead } from '@/first-steps.js';
import { pollingCreate } from '@/polling.js';
import { unsavedHeld, unsavedWatch, unsavedWhen } from '@/unsaved.js';

const session = (role = 'submitter', username = 'ann') => ({ user: { username, role }, site: { slug: 'north' } });
const known = { study: true, job: 'j1', token: false, webhook: null };

/** Answers by path; what is asked is remembered. */
function server(answers) {
  const asked = [];
  vi.stubGlobal('fetch', async (address, options = {}) => {
    asked.push([options.method ?? 'GET', address, options.headers]);
    const [path] = address.replace('/api/v1', '').split('?');
    const { status = 200, body } = answers[path] ?? { status: 404, body: {} };
    return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
  });
  return asked;
}
const list = (...results) => ({ body: { results } });
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

beforeEach(() => {
  localStorage.clear();
  document.body.replaceChildren(
    h('main', { id: 'main', tabindex: '-1' }),
    h('div', { id: 'place', hidden: true }),
    h('div', { id: 'toasts' }),
  );
  // jsdom has no modal dialogs
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function close() {
    this.open = false;
    this.dispatchEvent(new Event('close'));
  };
});
afterEach(() => vi.unstubAllGlobals());
const place = () => document.getElementById('place');

describe('the first steps', () => {
  it('are ticked by what has happened, and a webhook is for administrators and optional', () => {
    expect(stepsOf(known, {})).toEqual([
      { name: 'study', done: true },
      { name: 'result', done: false },
      { name: 'token', done: false },
    ]);
    expect(stepsOf({ ...known, webhook: true }, { opened: true }).at(-1)).toEqual({
      name: 'webhook',
      done: true,
      optional: true,
    });
  });

  const answers = (more = {}) => ({
    '/studies': list({ id: 's1' }),
    '/jobs': list({ id: 'j1' }),
    '/tokens': list(),
    '/webhooks': list(),
    ...more,
  });

  it('lead on from where the site is', async () => {
    const asked = server(answers());
    await gettingStartedCreate({ session: session('administrator', 'first'), place: place() }).refresh();
    expect(place().hidden).toBe(false);
    const steps = [...place().querySelectorAll('[data-step]')];
    expect(steps.map((step) => step.className.includes('--done'))).toEqual([true, false, false, false]);
    expect(steps[1].querySelector('a').getAttribute('href')).toBe('/jobs/j1');
    expect(steps[2].querySelector('a').getAttribute('href')).toBe('/tokens?new');
    expect(place().textContent).toContain('1 of 3 done');
    expect(asked.map(([, address]) => address)).toContain('/api/v1/webhooks');
  });

  it('are not for readers, and nothing is asked for them', async () => {
    const asked = server(answers());
    await gettingStartedCreate({ session: session('reader'), place: place() }).refresh();
    expect([place().hidden, asked]).toEqual([true, []]);
  });

  it('go when they are done, a webhook or not', async () => {
    notesAdd('done', { opened: true });
    server(answers({ '/tokens': list({ id: 't' }) }));
    await gettingStartedCreate({ session: session('administrator', 'done'), place: place() }).refresh();
    expect(place().hidden).toBe(true);
  });

  it('stay away once hidden, for this person alone', async () => {
    server(answers());
    await gettingStartedCreate({ session: session('submitter', 'bob'), place: place() }).refresh();
    place().querySelector('.first-steps__hide').click();
    expect(place().hidden).toBe(true);
    await gettingStartedCreate({ session: session('submitter', 'bob'), place: place() }).refresh();
    expect(place().hidden).toBe(true);
    await gettingStartedCreate({ session: session('submitter', 'eve'), place: place() }).refresh();
    expect(place().hidden).toBe(false);
  });

  it('come back when the person asks for them, even when everything is done, and go again', async () => {
    server(answers({ '/tokens': list({ id: 't' }) }));
    notesAdd('amy', { opened: true, dismissed: true });
    const steps = gettingStartedCreate({ session: session('submitter', 'amy'), place: place() });
    await steps.refresh();
    expect(place().hidden).toBe(true);
    await steps.again();
    expect(place().hidden).toBe(false);
    expect(place().textContent).toContain('3 of 3 done');
    expect(document.activeElement.id).toBe('first-steps-title');
    expect(notesRead('amy').dismissed).toBe(false);
    await steps.refresh();
    expect(place().hidden).toBe(false);
    place().querySelector('.first-steps__hide').click();
    await steps.refresh();
    expect([place().hidden, notesRead('amy').dismissed]).toEqual([true, true]);
  });

  it('do not come back for readers, who have none', async () => {
    const asked = server(answers());
    await gettingStartedCreate({ session: session('reader'), place: place() }).again();
    expect([place().hidden, asked]).toEqual([true, []]);
  });

  it('are not drawn over a reader’s focus while nothing changes', async () => {
    server(answers());
    const steps = gettingStartedCreate({ session: session('submitter', 'kim'), place: place() });
    await steps.refresh();
    const before = place().firstChild;
    await steps.refresh();
    expect(place().firstChild).toBe(before);
  });

  it('work without storage, as long as the page', () => {
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
      throw new Error('refused');
    });
    notesAdd('zoe', { opened: true });
    notesAdd('zoe', { dismissed: true });
    expect(notesRead('zoe')).toEqual({ opened: true, dismissed: true });
  });
});

describe('the sample', () => {
  it('is marked where studies are named, and no other is', () => {
    expect(sampleBadge({ is_sample: true }).textContent).toBe('Synthetic sample');
    expect([sampleBadge({ is_sample: false }), sampleBadge(undefined)]).toEqual([null, null]);
    expect(sampleNote({ is_sample: false }, { mayRemove: true })).toBeNull();
    expect(sampleNote({ is_sample: true }, { mayRemove: false }).querySelector('button')).toBeNull();
  });

  it('is sent once: pressed again after a broken connection, with the same key', async () => {
    const asked = server({ '/sample-study': { status: 503, body: { title: 'Away', code: 'system:x' } } });
    const button = sampleButton();
    document.body.append(button);
    button.click();
    expect(button.disabled).toBe(true);
    await settled();
    expect(button.disabled).toBe(false);
    button.click();
    await settled();
    const keys = asked.map(([, , headers]) => headers['Idempotency-Key']);
    expect(keys[0]).toMatch(/.{10}/);
    expect(keys).toEqual([keys[0], keys[0]]);
  });
});

it('shows a command to try a token with, and forgets it with the token', async () => {
  const closed = secretShow({
    title: 'T',
    text: 't',
    label: 'Token',
    secret: 'ms_1',
    example: { label: 'Try', text: 'curl ms_1', note: 'n' },
  });
  const field = document.getElementById('secret-example');
  expect(field.value).toBe('curl ms_1');
  document.querySelector('dialog').close();
  await closed;
  expect(field.value).toBe('');
});

describe('when the session ends', () => {
  it('a changed field is held, a search and a field set back are not', () => {
    document.body.replaceChildren(
      h('form', { className: 'filters' }, h('input', { id: 's' })),
      h('input', { id: 'a', value: 'x' }),
      h('textarea', { id: 'b' }),
    );
    unsavedWatch();
    const type = (id, value) => {
      const field = document.getElementById(id);
      field.value = value;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    };
    type('s', 'find');
    expect(unsavedHeld()).toBe(false);
    type('a', 'typed');
    expect(unsavedHeld()).toBe(true);
    type('a', 'x');
    expect(unsavedHeld()).toBe(false);
    type('b', 'reason');
    expect(unsavedHeld()).toBe(true);
    document.getElementById('b').remove();
    expect(unsavedHeld()).toBe(false);
    let files = 1;
    unsavedWhen(() => files > 0);
    expect(unsavedHeld()).toBe(true);
    files = 0;
    expect(unsavedHeld()).toBe(false);
  });

  it('the person signs in on the spot, is refused in words, and the poll goes on', async () => {
    let ended = true;
    const seen = [];
    const poll = pollingCreate({
      fetcher: async () => {
        if (ended) throw Object.assign(new Error('over'), { status: 401 });
        return { status: 200, data: 'again', etag: null };
      },
      onData: (data) => seen.push(data),
      onFatal: () => renewalAsk({ username: 'ann', leave: () => seen.push('left') }),
      delaySeconds: () => null,
    });
    await poll.start();
    const dialog = document.querySelector('dialog');
    expect(dialog.textContent).toContain('Password of ann');
    server({ '/session': { status: 401, body: { title: 'Wrong', detail: 'No.', code: 'auth:invalid_credentials' } } });
    const send = async () => {
      dialog.querySelector('form').dispatchEvent(new Event('submit', { cancelable: true }));
      await settled();
    };
    await send();
    expect(dialog.querySelector('[role=alert]').textContent).toContain('Wrong');
    expect(document.querySelectorAll('dialog')).toHaveLength(1);
    ended = false;
    server({ '/session': { body: { authenticated: true, csrf_token: 'c' } } });
    await send();
    expect(document.querySelector('dialog')).toBeNull();
    expect(seen).toEqual(['again']);
  });
});
