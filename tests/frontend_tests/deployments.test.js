import { agreementReport } from '@/components/agreement-report.js';
import { deploymentCard } from '@/components/deployment-card.js';
import { packageOptions, rulesFrom } from '@/components/deployment-dialogs.js';
import { viewPairs } from '@/components/result-compare.js';
import { monitoringReport, timeLabels } from '@/components/monitoring-report.js';
import { h } from '@/dom.js';
import { isAdministrator, mayChange } from '@/rights.js';

const all = (nodes) => h('div', {}, nodes);

describe('a deployment', () => {
  const model = (version) => ({
    digest: `sha256:${version}`,
    name: 'cam',
    version,
    title: 'Cam',
    classes: ['normal', 'malignant'],
    validation_state: 'PASSED',
  });
  const pointer = (more) => ({
    id: 'p1',
    name: 'default',
    scope: 'site',
    site: 'north',
    package: model('1.0.0'),
    previous: model('0.9.0'),
    candidate: null,
    activated_at: '2026-03-01T12:00:00Z',
    rules: {},
    pending: [],
    history: [],
    ...more,
  });
  const person = (more = {}) => ({
    user: { username: 'ann', role: 'administrator', administers_every_site: false, ...more },
    site: { slug: 'north' },
  });
  const words = (node) => [...node.querySelectorAll('button')].map((button) => button.textContent.trim());

  it('offers what the person may change', () => {
    expect(isAdministrator({ user: { role: 'submitter' } })).toBe(false);
    expect(mayChange(person(), pointer({}))).toBe(true);
    expect(mayChange(person(), pointer({ site: 'south' }))).toBe(false);
    const everywhere = pointer({ scope: 'all', site: null });
    expect(mayChange(person(), everywhere)).toBe(false);
    expect(mayChange(person({ administers_every_site: true }), everywhere)).toBe(true);

    expect(words(deploymentCard(pointer({}), { act: () => {}, session: person() }))).toContain('Roll back');
    const own = words(deploymentCard(everywhere, { act: () => {}, session: person() }));
    expect(own).toEqual(['Activate for your site…']);
    expect(words(deploymentCard(everywhere, { act: () => {}, session: person(), ownExists: true }))).toEqual([]);
  });

  it('rolls back with one click, and not where nothing served before', () => {
    const asked = [];
    const act = (...what) => asked.push(what);
    const button = (node) => [...node.querySelectorAll('button')].find((one) => one.textContent.includes('Roll back'));
    button(deploymentCard(pointer({}), { act, session: person() })).click();
    expect(asked).toEqual([['rollback', expect.objectContaining({ id: 'p1' })]]);
    expect(button(deploymentCard(pointer({ previous: null }), { act, session: person() })).disabled).toBe(true);
  });

  it('lets a second person decide and the first only withdraw', () => {
    const asked = {
      id: 'r1',
      kind: 'activate',
      package: model('2.0.0'),
      state: 'PENDING',
      requested_by: 'ann',
      requested_at: '2026-03-01T12:00:00Z',
      reason: 'because',
    };
    const of = (username) =>
      words(deploymentCard(pointer({ pending: [asked] }), { act: () => {}, session: person({ username }) }));
    expect(of('ann')).toContain('Withdraw');
    expect(of('ann')).not.toContain('Approve');
    expect(of('bob')).toEqual(expect.arrayContaining(['Approve', 'Reject']));
  });

  it('shows a partial activation loudly with each worker’s reason', () => {
    const readiness = {
      state: 'partial',
      workers: [
        { name: 'w1', state: 'ready', code: null, message: null },
        { name: 'w2', state: 'refused', code: 'model:golden_mismatch', message: 'Its golden inputs differ.' },
      ],
    };
    const node = deploymentCard(pointer({}), { act: () => {}, session: person(), readiness });
    expect(node.querySelector('[role=alert]').textContent).toContain('Partly active');
    expect(node.querySelector('.workers').textContent).toContain('Its golden inputs differ.');
  });

  it('names the candidate and the rules in its history, the platform where nobody did it', () => {
    const change = (id, kind, detail) => ({
      id,
      kind,
      detail,
      previous: model('1.0.0'),
      package: model('1.0.0'),
      changed_by: null,
      approved_by: 'bob',
      reason: 'why',
      changed_at: '2026-03-01T12:00:00Z',
    });
    const history = [
      change(1, 'candidate_start', { candidate: `sha256:${'ab'.repeat(32)}`, mode: 'shadow', share: 0.1 }),
      change(2, 'rules', { rules_from: {}, rules_to: { failure_share: 0.05 } }),
    ];
    const node = deploymentCard(pointer({ history }), { act: () => {}, session: person() });
    const lines = [...node.querySelectorAll('.change')].map((line) => line.textContent);
    expect(lines[0]).toContain('failures above 5.0%');
    expect(lines[1]).toContain('abababababab · Shadow');
    expect(lines[1]).toContain('the platform · approved by bob');
  });

  it('offers only packages that may serve, and says why others may not', () => {
    const options = packageOptions([
      model('1.0.0'),
      { ...model('2.0.0'), validation_state: 'FAILED' },
      { ...model('3.0.0'), archived_at: '2026-03-01T12:00:00Z' },
    ]);
    expect(options.map(({ disabled }) => Boolean(disabled))).toEqual([false, true, true]);
    expect(options[1].label).toContain('(Validation failed)');
    expect(options[2].label).toContain('(Archived)');
  });

  it('sends shares as shares and leaves empty limits out', () => {
    expect(rulesFrom({ minimum_jobs: '20', window_minutes: '', failure_share: '5', latency_p95_seconds: '' })).toEqual({
      minimum_jobs: 20,
      failure_share: 0.05,
    });
  });
});

describe('the agreement of a candidate', () => {
  const side = (label, suspicion, assessed = true) => ({ label, suspicion, assessed });
  const report = (more) => ({
    candidate: 'sha256:b',
    mode: 'shadow',
    paired: true,
    jobs_compared: 4,
    label_agreement: { share: 0.75, low: 0.3, high: 0.95 },
    assessment_agreement: 1,
    labels: ['malignant', 'normal'],
    confusion: [
      [1, 0],
      [1, 2],
    ],
    probability_difference: {
      mean: 0.1,
      median: 0.1,
      p95: 0.2,
      maximum: 0.2,
      histogram: { edges: [0, 0.1, 1], counts: [3, 1] },
    },
    suspicion_correlation: null,
    threshold_flips: 1,
    latency: { primary: { median: 1, p95: 2 }, candidate: { median: 3, p95: null } },
    failures: {
      primary: { jobs: 4, failed: 0, codes: {} },
      candidate: { jobs: 5, failed: 1, codes: { 'model:x': 1 } },
    },
    suspicion: { primary: { mean: 0.5, counts: [3, 1] }, candidate: { mean: 0.5, counts: [0, 0] } },
    disagreements: [
      { origin: 'o1', candidate: 'c1', left: side('normal', 0.2), right: side('malignant', 0.9), flipped: true },
      { origin: 'o2', candidate: 'c2', left: side('normal', 0.2), right: side('malignant', 0.3), flipped: false },
      { origin: 'o3', candidate: 'c3', left: side('normal', 0.2), right: side('normal', 0.325), flipped: false },
      { origin: 'o4', candidate: 'c4', left: side('normal', 0.2), right: side(null, null, false), flipped: false },
    ],
    ...more,
  });

  it('says of every disagreement what differs, and opens both side by side', () => {
    const node = all(agreementReport(report({})));
    const table = node.lastElementChild;
    const rows = [...table.querySelectorAll('tbody tr')];
    expect(rows.map((row) => row.children[3].textContent)).toEqual([
      'across the threshold',
      'another label',
      'by 0.125',
      'assessed by one alone',
    ]);
    expect(rows[0].querySelector('td:last-child a').getAttribute('href')).toBe('/jobs/compare?left=o1&right=c1');
  });

  it('folds away all but the first ten', () => {
    const disagreements = Array.from({ length: 12 }, () => report({}).disagreements[2]);
    const node = all(agreementReport(report({ disagreements })));
    expect(node.lastElementChild.querySelector('summary').textContent).toBe('2 more');
    expect(node.lastElementChild.querySelectorAll('details tbody tr')).toHaveLength(2);
  });

  it('compares populations, not cases, for a canary', () => {
    const node = all(agreementReport(report({ paired: false, mode: 'canary', disagreements: [] })));
    expect(node.textContent).toContain('Two groups of studies');
    expect(node.textContent).not.toContain('Labels against labels');
  });

  it('says so before any study was answered by both', () => {
    const node = all(agreementReport(report({ jobs_compared: 0, disagreements: [] })));
    expect(node.textContent).toContain('No study was answered by both yet');
  });
});

describe('monitoring', () => {
  const totals = (more = {}) => ({
    jobs: 10,
    succeeded: 8,
    failed: 2,
    cancelled: 1,
    failure_share: 0.2,
    failures: { 'model:x': 2 },
    labels: { normal: 8 },
    not_assessable_share: 0,
    latency: { p50: 1, p95: 2, p99: 3 },
    waiting: { p50: 0.1, p95: 0.2, p99: 0.3 },
    suspicion: [4, 4],
    ...more,
  });
  const drift = { psi: 0.31, band: 'shifted', cases: 80, needed: 50 };
  const few = { psi: null, band: 'too_few_cases', cases: 3, needed: 50 };
  const series = (more) => ({
    package: 'sha256:a',
    totals: totals(),
    drift: { suspicion: drift, brightness: few, manufacturer: few, size: few },
    reference: { source: 'package', suspicion: [50, 50], brightness: [], cases: 100 },
    step_seconds: 3600,
    points: [{ at: '2026-03-01T12:00:00Z', ...totals() }],
    packages: [],
    ...more,
  });

  it('says drift in a word and its index, and how many cases are missing', () => {
    const node = all(monitoringReport(series({}), { names: new Map() }));
    const lines = [...node.querySelectorAll('.drift')].map((line) => line.textContent);
    expect(lines[0]).toBe('SuspicionShiftedPSI 0.310, 80 cases');
    expect(lines[1]).toBe('BrightnessToo few cases3 of 50 cases needed');
  });

  it('says so when nothing ran', () => {
    const node = all(monitoringReport(series({ totals: totals({ jobs: 0, cancelled: 0 }) }), { names: new Map() }));
    expect(node.textContent).toContain('No job in this window');
    expect(node.querySelectorAll('figure')).toHaveLength(0);
  });

  it('names hours within a day and days beyond', () => {
    const at = [{ at: '2026-03-01T12:00:00Z' }];
    expect(timeLabels(at, 3600)[0]).toMatch(/^\d\d:00$/);
    expect(timeLabels(at, 86400)[0]).toMatch(/Mar/);
  });
});

describe('two results side by side', () => {
  it('pair views by their image and keep those of one side alone', () => {
    const left = { images: [{ id: 'a' }, { id: 'b' }] };
    const right = { images: [{ id: 'b' }, { id: 'c' }] };
    const ids = viewPairs(left, right).map((pair) => [pair.left?.id ?? null, pair.right?.id ?? null]);
    expect(ids).toEqual([
      ['a', null],
      ['b', 'b'],
      [null, 'c'],
    ]);
  });
});
