/** A Spanish page: its words, its numbers, and what the server says in English. */
import { catalogue as es } from '@/strings/catalogue-es.js';

let format;
let api;
let words;
let failureCard;
let h;

beforeAll(async () => {
  globalThis.mammoserveWords = es;
  format = await import('@/format.js');
  api = await import('@/api.js');
  words = await import('@/server-words.js');
  ({ h } = await import('@/dom.js'));
  ({ failureCard } = await import('@/components/failure-card.js'));
});

const answered = (status, body) =>
  vi.stubGlobal('fetch', async () => ({
    status,
    ok: status < 400,
    headers: new Headers(),
    text: async () => JSON.stringify(body),
  }));
afterEach(() => vi.unstubAllGlobals());

const textOf = (sentence) =>
  [sentence]
    .flat()
    .map((part) => part.textContent ?? part)
    .join('');
const refusedWith = async (body) => {
  answered(body.status, body);
  return api.request('/studies').catch((problem) => problem);
};

it('writes numbers, shares, sizes and times the Spanish way', () => {
  expect(format.percent(0.123)).toBe('12,3\u00a0%');
  expect(format.percent(0.9996)).toBe('>99,9\u00a0%');
  expect(format.share(0.5)).toBe('50\u00a0%');
  expect(format.significant(0.00413)).toBe('0,00413');
  expect(format.significant(123456)).toBe('1,23e+5');
  expect(format.decimal(0.5, 3)).toBe('0,500');
  expect(format.count(12340)).toBe('12.340');
  expect(format.duration(2.7)).toBe('2,7\u00a0s');
  expect(format.bytes(2_800_000)).toBe('2,8 MB');
  expect(format.age('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:02:05Z'))).toBe('hace 2 minutos');
  expect(format.dateTime('2026-11-25T12:00:00Z')).toMatch(/^25 nov 2026, /);
});

it('words a failure by its code wherever an answer holds one, and an unknown one as the server does', async () => {
  const known = { code: 'input:tomosynthesis', title: 'Tomosynthesis', message: 'E', action: 'E', retryable: false };
  const unknown = { code: 'input:from_tomorrow', title: 'New title', message: 'New', action: 'Do' };
  answered(200, { results: [{ failure: known }, { failure: unknown }, { failure: null }] });
  const { data } = await api.request('/batches/1/items');
  expect(data.results[0].failure).toEqual({ ...known, ...es.server.failures['input:tomosynthesis'] });
  expect(data.results[1].failure).toEqual(unknown);

  const card = failureCard({ ...data.results[0].failure, detail: 'for engineers' });
  expect(card.textContent).toContain('Envíe la mamografía 2D');
  expect(card.querySelector('[lang=en]').textContent).toBe('for engineers');
});

it('words a refusal by its code, keeps the figures of a file, and marks what stays English', async () => {
  const refused = await refusedWith({
    status: 422,
    code: 'input:pixel_data_truncated',
    title: 'Truncated pixels',
    detail: 'The pixel data ends before the image is complete.',
    action: 'Export the image again and resend it.',
    errors: [
      {
        field: 'files',
        index: 1,
        code: 'input:pixel_data_truncated',
        message: 'The pixel data ends before the image is complete. (10 of 20 bytes)',
      },
      { field: 'external_id', code: 'invalid', message: 'Not a valid string.' },
    ],
  });
  expect(refused.title).toBe('Píxeles incompletos');
  expect(refused.sentences.map(textOf)).toEqual([
    'Los datos de píxeles terminan antes de que la imagen esté completa.',
    'Archivo 2: Los datos de píxeles terminan antes de que la imagen esté completa. (10 of 20 bytes)',
    'external_id: Not a valid string.',
    'Exporte de nuevo la imagen y reenvíela.',
  ]);
  expect(
    refused.sentences
      .flat()
      .filter((part) => part.lang === 'en')
      .map(textOf),
  ).toEqual([' (10 of 20 bytes)', 'Not a valid string.']);
});

it('keeps what the server says of one case alone, marked as English', async () => {
  const limited = await refusedWith({
    status: 429,
    code: 'request:rate_limited',
    title: 'Too many requests',
    detail: 'Your site may submit 60 times a minute.',
    action: 'Wait as long as Retry-After says.',
  });
  expect(limited.title).toBe('Demasiadas solicitudes');
  const [detail, action] = limited.sentences;
  expect([detail.lang, textOf(detail)]).toEqual(['en', 'Your site may submit 60 times a minute.']);
  expect(action).toBe('Espere un momento e inténtelo de nuevo.');
});

it('leaves data that only looks like a failure alone', () => {
  const delivery = { code: 7, title: 'x', message: 'y' };
  expect(words.told(delivery)).toBe(delivery);
  expect(words.told(null)).toBeNull();
  expect(words.told({ code: 'constructor', title: 'T', message: 'M' })).toEqual({
    code: 'constructor',
    title: 'T',
    message: 'M',
  });
  expect(words.told({ code: 'view_unknown', message: 'E' }).message).toBe('La imagen no dice qué proyección es.');
});

it('words scales, masks, lengths and alerts from their figures', () => {
  expect(words.scalingWords({ scaling: 'package_reference', raw_maximum: 0.5, scale_maximum: 1 })).toContain(
    'alcanza el 50,0',
  );
  const mask = { regions: 0, threshold: 0.5, maximum_probability: 0.49999, text: 'E' };
  expect(words.segmentationWords(mask)).toMatch(/no alcanza el 50,0\u00a0% .* es 49,9\u00a0%\.$/);
  expect(words.segmentationWords({ ...mask, regions: 2, spacing_plane: null })).toContain('no hay área');
  expect(words.measuringWords({ spacing_plane: 'detector' })).toContain('magnificación');
  const alert = {
    metric: 'failure_share',
    value: 0.5,
    threshold: 0.1,
    deployment: 'default',
    site: 'demo',
    message: 'E',
  };
  expect(words.alertNode(alert)).toBe(
    'default (demo): en las últimas 24 horas falló el 50,0\u00a0% de los trabajos (alerta desde 10,0\u00a0%).',
  );
  expect(words.alertNode({ metric: 'rolled_back', message: 'By a rule.' }).lang).toBe('en');
});

describe('what a package says of itself', () => {
  const manifest = {
    provenance: { architecture: 'A small network', parameters: 7, training_data: 'Phantoms', training_command: 'make' },
    intended_use: { statement: 'For research.', views: ['CC'], acquisitions: ['digital'], not_validated: ['Implants'] },
  };
  const englishOf = (node) => [...node.querySelectorAll('[lang=en]')].map(({ textContent }) => textContent);

  it('is marked as its maker’s English, and the page’s own words beside it are not', async () => {
    const { usePanel, provenancePanel } = await import('@/components/package-details.js');
    const use = usePanel(manifest);
    expect(englishOf(use)).toEqual(['For research.', 'digital', 'Implants']);
    expect(use.querySelector('h2').lang).toBe('');
    expect(englishOf(provenancePanel({ digest: 'sha256:0', manifest }))).toEqual(['A small network', 'Phantoms']);
  });

  it('is marked in its card', async () => {
    const text = '# The card\n\nLimits.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- item';
    const { markdownNodes } = await import('@/components/markdown.js');
    expect(markdownNodes(text).map(({ lang }) => lang)).toEqual(['en', 'en', 'en', 'en']);
  });

  it('is marked where a result stands: the classes, the title, the intended use', async () => {
    const { classBars } = await import('@/components/class-bars.js');
    const bars = classBars({ probabilities: { Benign: 0.25, Malignant: 0.75 }, classes: ['Benign', 'Malignant'] });
    expect(englishOf(bars)).toEqual(['Benign', 'Malignant']);
    const { provenanceCard } = await import('@/components/result-details.js');
    const model = {
      title: 'A network',
      name: 'net',
      version: '1.0.0',
      digest: 'sha256:0',
      preprocessing_digest: 'sha256:1',
    };
    const card = provenanceCard(
      { package: model, intended_use: manifest.intended_use, elapsed_seconds: {}, classes: [], provider: 'CPU' },
      { onCopy: () => {} },
    );
    expect(englishOf(card)).toEqual(['A network', 'digital', 'For research.']);
  });
});

it('switches by a cookie that the server reads, keeps the address, and does nothing for the present language', async () => {
  const { languageCookieText, languagePickerAttach } = await import('@/language.js');
  document.documentElement.lang = 'es';
  document.body.replaceChildren(...['en', 'es'].map((code) => h('button', { dataset: { language: code } })));
  const reload = vi.fn();
  languagePickerAttach({ reload });
  document.querySelector('[data-language=es]').click();
  expect(reload).not.toHaveBeenCalled();
  document.querySelector('[data-language=en]').click();
  expect(reload).toHaveBeenCalledOnce();
  expect(document.cookie).toContain('mammoserve_language=en');
  expect(languageCookieText('es', true)).toBe('mammoserve_language=es; path=/; max-age=31536000; samesite=lax; secure');
});
