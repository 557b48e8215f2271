import { readFileSync } from 'node:fs';
import path from 'node:path';

import { auditDetail, auditSubject } from '@/components/audit-detail.js';
import { deliveryNode } from '@/components/delivery-log.js';
import { operationsReport, turnaroundSummary } from '@/components/operations-report.js';
import { dataTable } from '@/components/registry-page.js';
import { secretShow } from '@/components/secret-dialog.js';
import { eventTypes, webhookBadge, webhookBody, webhookFields } from '@/components/webhook-parts.js';
import { h } from '@/dom.js';
import { passwordPath, webhookIdFrom } from '@/navigation.js';
import { request, onPasswordWanted } from '@/api.js';

const plain = (node) => node.textContent.replaceAll('\u00a0', ' ');
const all = (nodes) => h('div', {}, nodes);

const hour = (at, counts = {}) => ({
  at,
  total_p50: null,
  total_p95: null,
  succeeded: 0,
  failed: 0,
  cancelled: 0,
  ...counts,
});
const process = (kind, name, alive) => ({
  kind,
  name,
  alive,
  last_seen_at: '2026-03-01T10:00:00Z',
  device: null,
  concurrency: 0,
  active: 0,
  resident_memory_bytes: null,
  software_version: null,
});
const report = (more = {}) => ({
  window: '24h',
  throughput: [
    hour('2026-03-01T09:00:00Z', { succeeded: 4, failed: 1, total_p50: 2, total_p95: 30 }),
    hour('2026-03-01T10:00:00Z', { succeeded: 2, total_p50: 1, total_p95: 3 }),
  ],
  failures: [{ code: 'worker:lost', jobs: 1 }],
  total_seconds: { jobs: 6, p50: 1.7, p95: 30, p99: 40 },
  stages: [
    { stage: 'infer', jobs: 6, p50: 0.4, p95: 0.9, p99: 1 },
    { stage: 'fetch', jobs: 6, p50: 0.1, p95: 0.2, p99: 0.2 },
  ],
  missing: [],
  run_seconds: { jobs: 6, p50: 1.5, p95: 4, p99: null },
  wait_seconds: { jobs: 6, p50: 0.2, p95: 12, p99: 40 },
  queues: [
    {
      priority: 'stat',
      waiting: 2,
      oldest_seconds: 30,
      sites: [{ site: 'north', waiting: 2 }],
    },
    { priority: 'routine', waiting: 5, oldest_seconds: 90, sites: [] },
  ],
  processes: [process('worker', 'w1', true), process('ledger', 'l1', true)],
  in_service: [
    {
      deployment: 'default',
      site: null,
      package: 'demo 1.0.0',
      digest: 'sha256:aa',
    },
  ],
  storage: {
    images_bytes: 5e6,
    incoming_bytes: 0,
    database_bytes: 1e6,
    disk_free_bytes: 4e11,
    disk_total_bytes: 1e12,
  },
  ...more,
});
const tilesOf = (nodes) =>
  Object.fromEntries(
    [...all(nodes).querySelectorAll('.metric-tile')].map((tile) => [
      plain(tile.querySelector('dt')),
      {
        words: plain(tile.querySelector('dd')),
        bad: tile.className.includes('--bad'),
      },
    ]),
  );

describe('the operators’ dashboard', () => {
  it('adds the hours and the queues up and names the longest wait', () => {
    const tiles = tilesOf(operationsReport(report()));
    expect(tiles.Results.words).toContain('6');
    expect(tiles.Failures).toEqual({ words: '1last 24 hours', bad: true });
    expect(tiles.Waiting.words).toBe('7oldest for 2 min');
  });

  it('raises the alarm for a kind of process of which none is left, not for one that was replaced', () => {
    const replaced = report({
      processes: [process('worker', 'old', false), process('worker', 'new', true)],
    });
    expect(tilesOf(operationsReport(replaced))['Processes alive']).toEqual({
      words: '1of every kind',
      bad: false,
    });
    const node = all(operationsReport(replaced));
    expect(plain(node.querySelector('details.more'))).toContain('old');

    const lost = report({
      processes: [process('worker', 'old', false), process('ledger', 'l1', true)],
    });
    expect(tilesOf(operationsReport(lost))['Processes alive']).toEqual({
      words: '1none of: Worker',
      bad: true,
    });
    expect(all(operationsReport(lost)).querySelector('.badge--bad')).not.toBeNull();
  });

  it('names a kind of process that never came up, quietly, because the page is drawn again and again', () => {
    const node = all(operationsReport(report({ missing: ['webhooks'] })));
    expect(plain(node)).toContain('Not running: Webhooks');
    expect(node.querySelector('[role=alert]')).toBeNull();
  });

  it('says in words what the line of seconds shows, and in a table', () => {
    expect(turnaroundSummary(report()).replaceAll('\u00a0', ' ')).toContain(
      'Half of 6 results came within 1.7 s, 95 % within 30 s.',
    );
    expect(turnaroundSummary(report({ total_seconds: { jobs: 0 } }))).toBe('No result in this time.');
    const chart = all(operationsReport(report())).querySelector('figure');
    expect(chart.querySelectorAll('.chart__line')).toHaveLength(4); // two series, and their keys
    expect([...chart.querySelectorAll('tbody tr')].map((row) => plain(row.lastChild))).toEqual(['30 s', '3 s']);
    expect(chart.querySelectorAll('.chart__line[stroke-dasharray]')).toHaveLength(2); // not by colour alone
  });

  it('lists stages in the order a job goes through them', () => {
    const rows = [...all(operationsReport(report())).querySelectorAll('tr')].map(plain);
    const stages = rows.filter((row) => /^(Fetching|Model run)/.test(row));
    expect(stages[0]).toMatch(/^Fetching/);
    expect(stages[1]).toMatch(/^Model run/);
  });

  it('says failures by the catalogue’s titles, and their codes', () => {
    const titles = new Map([['worker:lost', 'Worker lost']]);
    expect(plain(all(operationsReport(report(), { titles })))).toContain('Worker lostworker:lost');
  });

  it('warns when the disk is nearly full', () => {
    const full = report({
      storage: { ...report().storage, disk_free_bytes: 5e10 },
    });
    expect(tilesOf(operationsReport(full))['Free disk'].bad).toBe(true);
    expect(tilesOf(operationsReport(report()))['Free disk'].bad).toBe(false);
  });
});

describe('webhooks', () => {
  it('offer the event types that the platform sends, no more and no fewer', () => {
    const source = readFileSync(path.resolve('../platform/notifications/event_types.py'), 'utf8');
    const sent = [...source.matchAll(/^ {4}[A-Z_]+ = "([a-z_]+\.[a-z_]+)"$/gm)].map(([, type]) => type);
    expect(sent.length).toBeGreaterThan(5);
    expect(Object.values(eventTypes).flat().sort()).toEqual(sent.sort());
  });

  it('ask for every event when none is ticked', () => {
    const values = {
      url: ' https://a.example/x ',
      description: '',
      'job.failed': 'on',
    };
    expect(webhookBody(values)).toEqual({
      url: 'https://a.example/x',
      description: '',
      event_types: ['job.failed'],
    });
    expect(webhookBody({ url: 'u', description: '' }).event_types).toEqual([]);
  });

  it('show what they listen to already', () => {
    const { node } = webhookFields({
      url: 'u',
      event_types: ['batch.failed'],
    }).at(-1);
    expect([...node.querySelectorAll('input[checked]')].map(({ name }) => name)).toEqual(['batch.failed']);
  });

  it.each([
    [{ is_active: true, failing_since: null, disabled_reason: '' }, 'On'],
    [
      {
        is_active: true,
        failing_since: '2026-03-01T00:00:00Z',
        disabled_reason: '',
      },
      'Failing',
    ],
    [{ is_active: false, failing_since: null, disabled_reason: '' }, 'Off'],
    [{ is_active: false, failing_since: null, disabled_reason: 'gone' }, 'Switched off'],
  ])('say how they do: %o', (webhook, words) => {
    expect(webhookBadge(webhook).textContent).toBe(words);
  });

  it('send a delivery again that ended, not one that is on its way, and show an answer as text', () => {
    const delivery = {
      id: 'd',
      event_id: 'e',
      event_type: 'job.failed',
      state: 'failed',
      is_replay: false,
      created_at: '2026-03-01T10:00:00Z',
      next_attempt_at: null,
      payload: '{"type":"job.failed"}',
      attempts: [
        {
          number: 1,
          at: '2026-03-01T10:00:01Z',
          status: 500,
          error: 'status',
          elapsed_seconds: 0.2,
          answer: '<b>no</b>',
        },
      ],
    };
    const again = vi.fn();
    const node = deliveryNode(delivery, { onReplay: again });
    node.querySelector('button').click();
    expect(again).toHaveBeenCalledWith(delivery);
    expect(node.querySelector('b')).toBeNull();
    expect(plain(node)).toContain('Answered 500');
    expect(node.querySelector('pre').textContent).toBe('{\n  "type": "job.failed"\n}');
    expect(deliveryNode({ ...delivery, state: 'pending' }, { onReplay: again }).querySelector('button')).toBeNull();
  });
});

describe('what is shown once', () => {
  it('stays until it is said to be kept, and leaves nothing behind', async () => {
    HTMLDialogElement.prototype.showModal = function showModal() {
      this.open = true;
    };
    const shown = secretShow({
      title: 'Token',
      text: 'x',
      label: 'Token',
      secret: 'ms_abc_def',
    });
    const dialog = document.querySelector('dialog.secret');
    expect(dialog.querySelector('#secret-value').value).toBe('ms_abc_def');
    expect(dialog.querySelector('#secret-value').readOnly).toBe(true);

    const escape = new Event('cancel', { cancelable: true });
    dialog.dispatchEvent(escape);
    expect(escape.defaultPrevented).toBe(true);
    expect(document.querySelector('dialog.secret')).not.toBeNull();

    dialog.dispatchEvent(new Event('close'));
    await shown;
    expect(document.querySelector('dialog.secret')).toBeNull();
    delete HTMLDialogElement.prototype.showModal;
  });
});

it('names the column of each cell, for rows that stand as cards', () => {
  const table = dataTable({ caption: 'c', columns: ['Name', 'Role'], rows: [['a', 'b']], cards: true });
  expect([...table.querySelectorAll('tbody tr > *')].map(({ dataset }) => dataset.label)).toEqual(['Name', 'Role']);
});

it('tells a change in the audit by what differs', () => {
  const words = plain(
    auditDetail({
      before: { role: 'reader', is_active: true },
      after: { role: 'submitter', is_active: true },
    }),
  );
  expect(words).toBe('role reader → submitter');
});

it('calls the objects of the audit by their names and keeps their keys', () => {
  const key = '0f6a2c1e-1111-4222-8333-444455556666';
  const told = (entry) => auditSubject({ subject_name: null, ...entry });
  const person = told({ action: 'user.change', subject: '12', subject_name: 'dr.ruiz' });
  expect([person.tagName, person.textContent, person.title]).toEqual(['SPAN', 'dr.ruiz', '12']);
  const job = told({ action: 'job.replay', subject: key, subject_name: 'ACC-77' });
  expect([job.textContent, job.getAttribute('href'), job.title]).toEqual(['ACC-77', `/jobs/${key}`, key]);
  const site = told({ action: 'job.export', subject: key, subject_name: 'north' });
  expect([site.tagName, site.textContent]).toEqual(['SPAN', 'north']);
  expect(told({ action: 'webhook.test', subject: key }).textContent).toBe(key.slice(0, 8));
  expect(told({ action: 'alert.acknowledge', subject: 'queue_wait' })).toBe('queue_wait');
  const digest = `sha256:${'a'.repeat(64)}`;
  const moved = auditDetail({ user: 12, to: digest }, { user: 'dr.ruiz', to: 'dog-fpn-film 1.0.0' });
  expect(plain(moved)).toBe('user dr.ruiz · to dog-fpn-film 1.0.0');
  expect(moved.querySelector('a').title).toBe(digest);
});

it('knows the way to a webhook and to a password of one’s own', () => {
  expect(webhookIdFrom('/webhooks/abc')).toBe('abc');
  expect(webhookIdFrom('/webhooks')).toBeNull();
  expect(passwordPath({ pathname: '/batches', search: '?state=open' })).toBe(
    '/password?next=%2Fbatches%3Fstate%3Dopen&required=1',
  );
});

it('goes to choosing a password when the server wants one first', async () => {
  const wanted = vi.fn();
  onPasswordWanted(wanted);
  const body = JSON.stringify({
    title: 'Not allowed',
    code: 'auth:password_change_required',
  });
  vi.stubGlobal('fetch', async () => new Response(body, { status: 403 }));
  await expect(request('/jobs')).rejects.toThrow('Not allowed');
  expect(wanted).toHaveBeenCalledTimes(1);
  vi.unstubAllGlobals();
});
