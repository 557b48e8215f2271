import { certaintyRing } from '@/components/certainty-ring.js';
import { classBars } from '@/components/class-bars.js';
import { failureCard } from '@/components/failure-card.js';
import { heatmapImage, heatmapWords, mapStanding } from '@/components/heatmap-layer.js';
import { progressWords, stageSegments } from '@/components/job-progress.js';
import { jobTableCreate } from '@/components/job-table.js';
import { breastsOrder, cautionsGather, shownProbabilities } from '@/components/result-summary.js';
import { classTone, outcomeBadge, statusBadge } from '@/components/status-badge.js';
import { toast, toastCarried, toastCarry, toastProblem } from '@/components/toasts.js';
import { cautionsOwn } from '@/components/view-card.js';
import { problemFrom } from '@/api.js';
import { h } from '@/dom.js';

const plain = (text) => text.replaceAll('\u00a0', ' ');
const job = (more) => ({
  id: 'j1',
  status: 'QUEUED',
  stage: null,
  attempt: 1,
  max_attempts: 3,
  priority: 'routine',
  study: { id: 's1', external_id: 'ACC-1' },
  package: { name: 'cam', version: '1.0.0', digest: 'sha256:00' },
  queue_position: null,
  eta_seconds: null,
  created_at: '2026-03-01T12:00:00Z',
  outcome: null,
  actions: { cancel: true, retry: false },
  ...more,
});

describe('text from outside', () => {
  it('never becomes markup', () => {
    const row = h('td', {}, '<img src=x onerror=alert(1)>');
    expect(row.children).toHaveLength(0);
    expect(row.textContent).toBe('<img src=x onerror=alert(1)>');
  });

  it('cannot bring style attributes, which the Content-Security-Policy refuses', () => {
    expect(() => h('p', { style: 'color: red' })).toThrow(TypeError);
  });
});

describe('class colours', () => {
  const three = ['normal', 'benign', 'malignant'];
  it.each([
    ['normal', three, 'normal'],
    ['Benign', ['Benign', 'Cancer', 'Normal'], 'benign'],
    ['Cancer', ['Benign', 'Cancer', 'Normal'], 'malignant'],
    ['Density3Malignant', ['Density3Benign', 'Density3Malignant'], 'malignant'],
    ['Benign_Without_Callback', ['Benign', 'Benign_Without_Callback', 'Malignant', 'Normal'], 'other-0'],
    ['abnormal', ['normal', 'abnormal'], 'other-1'],
    ['no lesion', ['no lesion', 'lesion'], 'normal'],
    ['lesion', ['no lesion', 'lesion'], 'other-1'],
  ])('%s is told by tone %3$s', (label, classes, tone) => {
    expect(classTone(label, classes)).toBe(tone);
  });
});

describe('bars', () => {
  it('stand in the package’s order, whatever the order of the numbers', () => {
    const node = classBars({
      probabilities: { malignant: 0.7, normal: 0.1, benign: 0.2 },
      classes: ['normal', 'benign', 'malignant'],
    });
    const shown = [...node.children].map((bar) => [
      bar.querySelector('.bar__name').textContent,
      bar.querySelector('.bar__value').textContent,
      bar.querySelector('.bar__fill').style.width,
    ]);
    expect(shown).toEqual([
      ['normal', '10.0%', '10%'],
      ['benign', '20.0%', '20%'],
      ['malignant', '70.0%', '70%'],
    ]);
  });

  it('of the breasts stand right before left, as the views hang', () => {
    const given = [null, 'L', 'R'].map((side) => ({ image_laterality: side }));
    expect(breastsOrder(given).map((breast) => breast.image_laterality)).toEqual(['R', 'L', null]);
  });

  it('say whether the numbers are calibrated', () => {
    expect(
      shownProbabilities({
        probabilities: { a: 1 },
        calibrated_probabilities: { a: 0.8 },
      }),
    ).toEqual({
      values: { a: 0.8 },
      word: 'calibrated',
    });
    expect(shownProbabilities({ probabilities: { a: 1 } })).toEqual({
      values: { a: 1 },
      word: 'uncalibrated',
    });
  });
});

describe('certainty ring', () => {
  const label = (suspicion, threshold) =>
    certaintyRing({ suspicion, threshold }).querySelector('svg').getAttribute('aria-label');

  it('says on which side of the threshold the score lies; the threshold itself is above', () => {
    expect(label(0.36, 0.36)).toBe('Suspicion 36.0%, at or above the threshold of 36.0%');
    expect(label(0.359, 0.36)).toBe('Suspicion 35.9%, below the threshold of 36.0%');
  });

  it('draws an arc in proportion and none for zero', () => {
    const arc = certaintyRing({
      suspicion: 0.25,
      threshold: 0.5,
    }).querySelector('.ring__arc');
    const [drawn, whole] = arc.getAttribute('stroke-dasharray').split(' ').map(Number);
    expect(drawn / whole).toBeCloseTo(0.25, 3);
    expect(certaintyRing({ suspicion: 0, threshold: 0.5 }).querySelector('.ring__arc')).toBeNull();
  });

  it('shows no score where there is none', () => {
    const ring = certaintyRing({ suspicion: null, threshold: 0.5 });
    expect(ring.querySelector('.ring__value').textContent).toBe('—');
    expect(ring.querySelector('svg').getAttribute('aria-label')).toBe('Not assessable');
  });
});

describe('heatmaps', () => {
  const map = (raw, scale = 2) => ({
    target: 'suspicion',
    url: '/api/v1/jobs/1/artifacts/a.png',
    raw_maximum: raw,
    scale_maximum: scale,
    scaling: 'package_reference',
    scaling_text: 'The same scale for every image.',
  });
  const draw = (heatmap) =>
    heatmapImage({ heatmaps: [heatmap] }, 'suspicion', {
      viewName: 'LCC',
      onFail: () => {},
    });
  const words = (heatmap, target = 'suspicion') =>
    h('div', {}, heatmapWords({ heatmaps: [heatmap] }, target)).textContent;

  it('of zero stay blank and say so', () => {
    expect(draw(map(0))).toBeNull();
    expect(words(map(0))).toContain('No evidence for “Suspicion” in this view');
  });

  it('tell the scale and their own maximum', () => {
    expect(draw(map(0.5)).getAttribute('src')).toBe('/api/v1/jobs/1/artifacts/a.png');
    expect(words(map(0.5))).toContain('Colour scale 0–2; this map’s maximum 0.5. Blank means no evidence.');
    expect(words(map(0.5))).toContain('The same scale for every image.');
  });

  it('stand where their maximum lies on the scale', () => {
    expect(mapStanding(map(0.5))).toEqual({ kind: 'weak', reach: 0.25 });
    expect(mapStanding(map(2))).toEqual({ kind: 'full', reach: 1 });
    expect(mapStanding(map(3))).toEqual({ kind: 'saturated', reach: 1 });
    expect(mapStanding(map(1, 0)).reach).toBe(0);
    expect(mapStanding(null).kind).toBe('missing');
  });

  it('beyond their scale say so beside the server’s own statement', () => {
    expect(words(map(3))).toContain(
      'The same scale for every image. The strongest place is beyond the top of the scale',
    );
    expect(words(map(1))).not.toContain('beyond the top');
  });

  it('that do not exist for a target are said to be missing', () => {
    expect(words(map(1), 'benign')).toBe('No map for “benign” in this view.');
  });

  it('from another host are not loaded', () => {
    expect(draw({ ...map(1), url: 'https://elsewhere.example/a.png' })).toBeNull();
  });
});

describe('cautions', () => {
  const image = (name, ...codes) => ({
    name,
    cautions: codes.map((code) => ({ code, message: code.toUpperCase() })),
  });
  const images = [image('RCC', 'film', 'window'), image('LCC', 'film')];

  it('are gathered into one line each with the views they concern', () => {
    expect(cautionsGather(images, ({ name }) => name)).toEqual([
      { message: 'FILM', views: ['RCC', 'LCC'] },
      { message: 'WINDOW', views: ['RCC'] },
    ]);
  });

  it('stand at a view only where not every view shares them', () => {
    expect(cautionsOwn(images[0], images).map(({ code }) => code)).toEqual(['window']);
    expect(cautionsOwn(images[1], images)).toEqual([]);
    expect(cautionsOwn(images[1], [images[1]]).map(({ code }) => code)).toEqual(['film']);
  });
});

describe('a job in words', () => {
  it.each([
    [{ queue_position: 1, eta_seconds: 6 }, 'Next in the queue · about 6 s left'],
    [{ queue_position: 14, eta_seconds: 190 }, 'Position 14 in the queue · about 3 min left'],
    [{ queue_position: 2, attempt: 2 }, 'Position 2 in the queue · attempt 2 of 3'],
    [{ status: 'RUNNING', stage: 'EXPLAINING', eta_seconds: 0.2 }, 'Drawing · about 1 s left'],
    [{ status: 'RUNNING', stage: null }, 'Starting'],
    [
      {
        status: 'SUCCEEDED',
        started_at: '2026-03-01T12:00:00Z',
        finished_at: '2026-03-01T12:00:03Z',
      },
      'took 3 s',
    ],
    [{ status: 'FAILED', failure: { title: 'Worker lost' } }, 'Worker lost'],
    [{ status: 'CANCELLED' }, ''],
  ])('%j reads “%s”', (more, words) => {
    expect(plain(progressWords(job(more)))).toBe(words);
  });

  it('shows the stage as segments with the same said in words', () => {
    const node = stageSegments(job({ status: 'RUNNING', stage: 'INFERRING' }));
    expect(node.getAttribute('aria-label')).toBe('Model run — step 3 of 5');
    expect(node.querySelectorAll('.segment--done')).toHaveLength(2);
    expect(node.querySelectorAll('.segment--now')).toHaveLength(1);
  });

  it('has a word beside every status colour, also for a status it does not know', () => {
    expect(statusBadge('SUCCEEDED').textContent).toBe('Done');
    expect(statusBadge('PAUSED').textContent).toBe('PAUSED');
  });

  it('shows suspicion against the threshold, never a class, and no score for what was not assessable', () => {
    const outcome = (suspicion, above) =>
      outcomeBadge({
        assessment: 'assessed',
        label: 'malignant',
        suspicion,
        threshold: 0.5,
        above_threshold: above,
      });
    expect(outcome(0.81, true).textContent).toBe('81.0%above threshold');
    expect(outcome(0.81, true).title).toBe('Suspicion 81.0%, at or above the threshold of 50.0%');
    expect(outcome(0.41, false).textContent).toBe('41.0%below threshold');
    expect(outcome(0.41, null).textContent).toBe('41.0%');
    expect(
      outcomeBadge({
        assessment: 'not_assessable',
        label: null,
        suspicion: null,
      }).textContent,
    ).toBe('Not assessable');
    expect(outcomeBadge(null)).toBeNull();
  });

  it('shows a failure with what to do and its code, and retry only where the server allows it', () => {
    const failure = {
      code: 'system:timeout',
      title: 'Took too long',
      message: 'M.',
      action: 'Retry the job.',
    };
    const card = failureCard(failure);
    expect(card.textContent).toContain('What to do: Retry the job.');
    expect(card.querySelector('code').textContent).toBe('system:timeout');
    expect(card.querySelector('button')).toBeNull();
    expect(failureCard(failure, { retry: () => {} }).querySelector('button')).not.toBeNull();
  });
});

describe('the worklist’s table', () => {
  let body;
  let table;
  let acted;
  beforeEach(() => {
    document.body.replaceChildren(h('table', {}, (body = h('tbody', {}))));
    acted = [];
    table = jobTableCreate({
      body,
      onAction: (kind, one) => acted.push([kind, one.id]),
    });
  });
  const ids = () => [...body.children].map((row) => row.dataset.id);

  it('keeps the nodes of unchanged rows and follows the server’s order', () => {
    table.update([job(), job({ id: 'j2' })]);
    const [first] = body.children;
    table.update([job({ id: 'j3' }), job()]);
    expect(ids()).toEqual(['j3', 'j1']);
    expect(body.children[1]).toBe(first);
  });

  it('draws a long list in several frames, and a newer list ends the older one', async () => {
    const frames = [];
    vi.stubGlobal('requestAnimationFrame', (run) => frames.push(run));
    const many = (status) => Array.from({ length: 30 }, (_, n) => job({ id: `m${n}`, status }));
    table.update(many('QUEUED'));
    expect(body.children).toHaveLength(8);
    while (frames.length) frames.shift()();
    expect(ids()).toEqual(many().map(({ id }) => id));
    expect(table.update(many('RUNNING'))).toBe(30);
    table.update([job({ id: 'm5', status: 'SUCCEEDED' })]);
    while (frames.length) frames.shift()();
    expect(ids()).toEqual(['m5']);
    vi.unstubAllGlobals();
  });

  it('leaves in place what did not change of a changed row', () => {
    table.update([job()]);
    const [row] = body.children;
    const [study, status, , outcome] = row.children;
    table.update([job({ status: 'RUNNING', stage: 'STORING', unread: true })]);
    expect(body.children[0]).toBe(row);
    expect(row.dataset.status).toBe('RUNNING');
    expect(row.className).toBe('worklist__row--unread');
    expect(row.children[3]).toBe(outcome);
    expect(row.contains(study) || row.contains(status)).toBe(false);
  });

  it('keeps the focus on a button whose row was redrawn', () => {
    table.update([job()]);
    body.querySelector('[data-action=cancel]').focus();
    table.update([job({ status: 'RUNNING', stage: 'STORING' })]);
    expect(document.activeElement.dataset.action).toBe('cancel');
    expect(body.contains(document.activeElement)).toBe(true);
  });

  it('counts the rows whose status changed, not new ones or mere progress', () => {
    expect(table.update([job(), job({ id: 'j2' })])).toBe(0);
    expect(table.update([job({ queue_position: 1 }), job({ id: 'j2', status: 'RUNNING' })])).toBe(1);
  });

  it('offers only the actions the server allows', () => {
    table.update([job({ actions: { cancel: false, retry: true }, status: 'FAILED' })]);
    expect([...body.querySelectorAll('button')].map((button) => button.dataset.action)).toEqual(['retry']);
    body.querySelector('button').click();
    expect(acted).toEqual([['retry', 'j1']]);
  });
});

describe('toasts', () => {
  const stack = () => document.getElementById('toasts');
  beforeEach(() => document.body.replaceChildren(h('div', { id: 'toasts' })));

  it('give the server’s reason, what to do and the code, as an alert', () => {
    toastProblem(
      problemFrom({
        status: 409,
        body: {
          code: 'job:not_cancellable',
          title: 'The job has ended',
          detail: 'It cannot be cancelled.',
          action: 'Nothing to do.',
        },
      }),
    );
    const [shown] = stack().children;
    expect(shown.getAttribute('role')).toBe('alert');
    expect([...shown.querySelectorAll('p')].map((line) => line.textContent)).toEqual([
      'The job has ended',
      'It cannot be cancelled.',
      'Nothing to do.',
      'Code job:not_cancellable',
    ]);
  });

  it('are not repeated and never more than four', () => {
    toast({ title: 'same' });
    toast({ title: 'same' });
    expect(stack().children).toHaveLength(1);
    for (const title of ['a', 'b', 'c', 'd', 'e']) toast({ title });
    expect([...stack().children].map((one) => one.textContent)).toEqual(['b', 'c', 'd', 'e']);
  });

  it('cross to the next page once', () => {
    toastCarry({ kind: 'success', title: 'Study accepted', sentences: [] });
    expect(stack().children).toHaveLength(0);
    toastCarried();
    toastCarried();
    expect(stack().children).toHaveLength(1);
    expect(stack().textContent).toContain('Study accepted');
  });
});
