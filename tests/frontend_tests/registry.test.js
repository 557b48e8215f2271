import { barChart, lineChart, ticks, ticksNamed } from '@/components/charts.js';
import { checkReport } from '@/components/check-report.js';
import { chipsCreate } from '@/components/chips.js';
import { formValues, profileNames } from '@/components/onnx-form.js';
import { compareSections, compareCautions } from '@/components/package-compare.js';
import { newestCheck, uploadable, uploadForm } from '@/components/package-upload.js';
import { h } from '@/dom.js';

const plain = (text) => text.replaceAll('\u00a0', ' ');
const all = (nodes) => h('div', {}, nodes);

describe('charts', () => {
  it.each([
    [0, [0, 1]],
    [1, [0, 0.25, 0.5, 0.75, 1]],
    [93, [0, 25, 50, 75, 100]],
    [0.05, [0, 0.02, 0.04, 0.06]],
    [1.536, [0, 0.5, 1, 1.5, 2]],
  ])('step in round numbers up to %s', (maximum, wanted) => {
    expect(ticks(maximum)).toEqual(wanted);
  });

  it.each([
    [1, [0, 1]],
    [2, [0, 1, 2]],
    [74, [0, 20, 40, 60, 80]],
  ])('names no tick twice where the axis counts whole ones up to %d', (maximum, wanted) => {
    expect(ticksNamed(maximum, (value) => value.toFixed(0))).toEqual(wanted);
  });

  it('break a line where nothing was measured instead of drawing through it', () => {
    const node = lineChart({
      title: 'Latency',
      xName: 'Time',
      labels: ['a', 'b', 'c', 'd'],
      series: [{ name: 'p50', values: [1, null, 2, 3] }],
    });
    const path = node.querySelector('path').getAttribute('d');
    expect(path.match(/M/g)).toHaveLength(2);
    expect(path.match(/L/g)).toHaveLength(1);
    expect(node.querySelectorAll('circle')).toHaveLength(3);
  });

  it('give the same numbers as a table, “—” where nothing was measured', () => {
    const node = barChart({
      title: 'Shares',
      xName: 'Bin',
      labels: ['0', '1'],
      format: (value) => `${value} %`,
      series: [
        { name: 'now', values: [40, null] },
        { name: 'then', values: [10, 20] },
      ],
    });
    const rows = [...node.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent));
    expect(rows).toEqual([
      ['0', '40 %', '10 %'],
      ['1', '—', '20 %'],
    ]);
    expect(node.querySelectorAll('svg[role=img] rect')).toHaveLength(3);
  });

  it('tell series apart by dashes, not by colour alone, and carry no inline style', () => {
    const series = ['a', 'b', 'c'].map((name, index) => ({ name, values: [index + 1, index + 2] }));
    const node = lineChart({ title: 'x', labels: ['1', '2'], series });
    const dashes = [...node.querySelectorAll('svg[role=img] path')].map((path) =>
      path.getAttribute('stroke-dasharray'),
    );
    expect(new Set(dashes).size).toBe(3);
    expect(node.querySelectorAll('[style]')).toHaveLength(0);
  });

  it('say so when nothing was measured, and draw no empty axes', () => {
    const node = lineChart({ title: 'x', labels: ['1'], series: [{ name: 'a', values: [null] }] });
    expect(node.querySelector('svg')).toBeNull();
    expect(node.textContent).toContain('Nothing was measured');
  });
});

describe('the comparison of packages', () => {
  const comparison = {
    cautions: [{ code: 'labels_reordered', message: 'The labels are the same but stand in another order.' }],
    sections: [
      {
        name: 'labels',
        same: false,
        rows: [
          { field: 'classes', left: ['normal', 'malignant'], right: ['malignant', 'normal'], same: false },
          { field: 'task', left: 'classification', right: 'classification', same: true },
        ],
      },
      { name: 'files', same: true, rows: [{ field: 'model_v1.onnx', left: 'a', right: 'a', same: true }] },
    ],
  };
  const draw = (options) => all(compareSections(comparison, { columns: ['1.0.0', '2.0.0'], ...options }));

  it('keeps the order of labels visible, and marks what differs with a word', () => {
    const node = draw({});
    const [left, right] = [...node.querySelectorAll('tbody ol')].map((list) =>
      [...list.children].map((item) => item.textContent),
    );
    expect(left).toEqual(['normal', 'malignant']);
    expect(right).toEqual(['malignant', 'normal']);
    const row = node.querySelector('.compare__row--different');
    expect(row.lastElementChild.textContent).toBe('differs');
  });

  it('shows differences alone where asked to, and names what is the same if that is kept', () => {
    expect(draw({ onlyDifferent: true }).querySelectorAll('section')).toHaveLength(1);
    const kept = draw({ onlyDifferent: true, keepSame: true });
    expect(kept.querySelectorAll('section')).toHaveLength(2);
    expect(kept.querySelectorAll('tbody tr')).toHaveLength(1);
    expect(kept.lastElementChild.textContent).toBe('The same in bothFiles and digests');
  });

  it('leaves paths of files as they are and makes words of the manifest’s names', () => {
    expect(draw({}).textContent).toContain('model_v1.onnx');
  });

  it('puts all cautions into one alert, each as an entry of its list', () => {
    const alert = compareCautions({
      cautions: [...comparison.cautions, { code: 'x', message: 'Another operating point.' }],
    });
    expect(alert.getAttribute('role')).toBe('alert');
    expect(alert.querySelector('strong').textContent).toBe('2 differences to know before one takes the other’s place');
    expect([...alert.querySelectorAll('li')].map((entry) => entry.textContent)).toEqual([
      'The labels are the same but stand in another order.',
      'Another operating point.',
    ]);
    expect(compareCautions({ cautions: [] })).toBeNull();
  });

  it('says so when nothing differs', () => {
    const node = all(
      compareSections({ sections: [comparison.sections[1]] }, { columns: ['a', 'b'], onlyDifferent: true }),
    );
    expect(node.textContent).toContain('The packages state the same');
  });
});

describe('the report of a validation', () => {
  const item = (name, verdict, more = {}) => ({ name, title: name, verdict, detail: '', seconds: 0.2, ...more });
  const check = (more) => ({
    state: 'PASSED',
    worker: 'w1',
    provider: 'cpu',
    finished_at: null,
    failure: null,
    ...more,
  });

  it('gives every verdict a word and opens what failed with its reason and code', () => {
    const failure = { code: 'model:golden_mismatch', title: 'T', message: 'Scores differ.', action: 'Build it again.' };
    const items = [
      item('files', 'passed'),
      item('session', 'warning', { detail: 'slow' }),
      item('golden', 'failed', {
        detail: '0.5 off',
        code: failure.code,
        failure,
        figures: { largest_difference: 0.5 },
      }),
      item('finite', 'skipped', { detail: 'not tried' }),
    ];
    const node = checkReport(check({ state: 'FAILED', report: { passed: false, items, performance: [] } }));
    const badges = [...node.querySelectorAll('.check-item .badge')].map((badge) => badge.textContent);
    expect(badges).toEqual(['Passed', 'Warning', 'Failed', 'Not tried']);
    const open = [...node.querySelectorAll('details[open]')];
    expect(open).toHaveLength(1);
    for (const words of [
      '0.5 off',
      'Scores differ.',
      'Build it again.',
      'model:golden_mismatch',
      'largest difference',
    ]) {
      expect(open[0].textContent).toContain(words);
    }
  });

  it('draws time, memory and throughput for every batch size', () => {
    const performance = [1, 8].map((size) => ({
      batch_size: size,
      median_seconds: size / 10,
      images_per_second: 10,
      peak_memory_bytes: 1e8,
    }));
    const node = checkReport(check({ report: { passed: true, items: [], performance } }));
    expect(node.querySelectorAll('figure.chart')).toHaveLength(3);
    expect(plain(node.querySelector('tbody').textContent)).toContain('800 ms');
  });

  it('shows how far a running one is', () => {
    const node = checkReport(check({ state: 'RUNNING', step: 'golden', steps_done: 4, steps_total: 13 }));
    expect(node.textContent).toContain('Golden inputs, from file to scores and maps — 4 of 13');
    expect(node.querySelector('progress').getAttribute('value')).toBe('4');
  });
});

describe('labels typed into the form', () => {
  it('keep their order, refuse doubles, and move by keyboard', () => {
    const seen = [];
    const { node, words } = chipsCreate({ label: 'L', hint: 'H', placeholder: '', onChange: (now) => seen.push(now) });
    document.body.replaceChildren(node);
    const input = node.querySelector('input');
    input.value = 'normal, benign,normal';
    input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
    expect(words()).toEqual(['normal', 'benign']);
    node.querySelector('[aria-label="Move benign one place earlier"]').click();
    expect(words()).toEqual(['benign', 'normal']);
    expect(document.activeElement.getAttribute('aria-label')).toBe('Move benign one place later');
    node.querySelector('[aria-label="Remove benign"]').click();
    expect(words()).toEqual(['normal']);
    expect(seen).toHaveLength(3);
  });
});

describe('uploads', () => {
  it.each([
    ['model.onnx', true],
    ['package.ZIP', true],
    ['package.tar.gz', false],
    ['scan.dcm', false],
  ])('take %s: %s', (name, wanted) => {
    expect(uploadable(name)).toBe(wanted);
  });

  it('send the form as JSON before the file', () => {
    const data = uploadForm({ file: new File(['x'], 'm.onnx'), kind: 'onnx', form: { name: 'n' } });
    expect([...data.keys()]).toEqual(['kind', 'form', 'file']);
    expect(data.get('form')).toBe('{"name":"n"}');
  });

  it('leave out what was left empty', () => {
    const fields = { name: 'n', version: '1.0.0', title: 'T', profile: 'p', statement: 's', threshold: '', target: '' };
    const values = formValues({ fields, labels: ['a', 'b'], suspicious: ['b'] });
    expect(values).toEqual({
      name: 'n',
      version: '1.0.0',
      title: 'T',
      profile: 'p',
      statement: 's',
      labels: ['a', 'b'],
      suspicion_classes: ['b'],
    });
    expect(formValues({ fields: { ...fields, threshold: '0' }, labels: [], suspicious: [] }).threshold).toBe(0);
  });

  it('offer the server’s profiles in its words', () => {
    expect(profileNames({ results: [{ name: 'grey-224', title: 'grey-224: 224 x 224', steps: [] }] })[0].title).toBe(
      'grey-224: 224 x 224',
    );
  });

  it('follow the newest check', () => {
    const at = (id, requested) => ({ id, requested_at: requested });
    expect(newestCheck([at('old', '2026-01-01T00:00:00Z'), at('new', '2026-01-02T00:00:00Z')]).id).toBe('new');
    expect(newestCheck([])).toBeNull();
  });
});
