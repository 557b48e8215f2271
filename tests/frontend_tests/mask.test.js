import { areaWords, isSegmentation, maskWords } from '@/components/mask.js';
import { numbersCard, provenanceCard } from '@/components/result-details.js';
import { h } from '@/dom.js';
import { viewerCreate } from '@/viewer/index.js';
import { browserStub } from './browser-stub.js';

const plain = (text) => text.replaceAll('\u00a0', ' ');
const found = (more) => ({
  target: 'lesion',
  threshold: 0.5,
  maximum_probability: 0.93,
  regions: 2,
  area_pixels: 12340.4,
  area_mm2: 60.4681,
  spacing_plane: 'detector',
  text: 'The pixel spacing is that at the detector.',
  ...more,
});
const image = (more, figures) => ({
  id: 'i1',
  assessment: 'assessed',
  image_laterality: 'L',
  view_position: 'CC',
  label: 'lesion',
  suspicion: 0.9,
  probabilities: { 'no lesion': 0.1, lesion: 0.9 },
  cautions: [],
  preview: { url: '/api/v1/jobs/1/artifacts/p.png', rows: 100, columns: 80 },
  heatmaps: [
    {
      target: 'lesion',
      url: '/api/v1/jobs/1/artifacts/heatmap.lesion.png',
      overlay_url: '/api/v1/jobs/1/artifacts/overlay.lesion.png',
      outline_url: '/api/v1/jobs/1/artifacts/outline.lesion.png',
      raw_maximum: 0.93,
      scale_maximum: 1,
      scaling: 'mask_probability',
      scaling_text: 'Colours run from 0 to 100% probability.',
    },
  ],
  segmentations: [found(figures)],
  ...more,
});
const result = (...images) => ({
  task: 'segmentation',
  study: images[0],
  breasts: [],
  images,
  classes: ['no lesion', 'lesion'],
  targets: ['lesion'],
  suspicion: { threshold: 0.5, target: 'lesion', classes: ['lesion'], operating_point: '' },
  intended_use: { statement: 'Tests.', views: [], acquisitions: [], not_validated: [] },
  package: { name: 'unet', version: '1.0.0', title: 'U', digest: 'sha256:00', explanation_method: 'mask' },
});
const words = (figures) => plain(h('div', {}, maskWords(image({}, figures), 'lesion')).textContent);

it('tells masks from heatmaps by the task, also in results from before masks', () => {
  expect(isSegmentation({ task: 'segmentation' })).toBe(true);
  expect(isSegmentation({ task: 'classification' })).toBe(false);
  expect(isSegmentation({})).toBe(false);
});

it('lists area, regions and highest probability with what the area rests on', () => {
  expect(words()).toBe(
    '0%100%' +
      'Segmented area60.5 mm² (12,340 pixels of the original)' +
      'Regions2' +
      'Highest probability93.0%' +
      'The pixel spacing is that at the detector.',
  );
});

it('gives no square millimetres where the image states no spacing', () => {
  expect(areaWords(found({ area_mm2: null }))).toBe('12,340 pixels of the original');
  expect(plain(areaWords(found({ area_mm2: 1234.5 })))).toBe('1,235 mm² (12,340 pixels of the original)');
});

it('says in the server’s words that nothing was segmented, without figures', () => {
  const said = words({ regions: 0, area_pixels: 0, text: 'No lesion segmented: nowhere does the mask reach 50%.' });
  expect(said).toBe('0%100%No lesion segmented: nowhere does the mask reach 50%.');
});

it('says when a target has no mask', () => {
  expect(h('div', {}, maskWords(image({ segmentations: [] }), 'lesion')).textContent).toBe(
    'No mask of “lesion” in this view.',
  );
});

describe('the page of a segmentation', () => {
  let drawn;
  let viewers;
  beforeEach(() => {
    drawn = browserStub();
    viewers = [];
  });
  afterEach(() => viewers.forEach((one) => one.close()));
  const viewer = (shown = result(image())) => {
    viewers.push(viewerCreate(shown, { jobId: 'j1' }));
    return viewers.at(-1).node;
  };
  const settled = () => new Promise((resolve) => setTimeout(resolve));
  const lastDrawn = async (node) => {
    await settled();
    drawn.length = 0;
    node.querySelector('#heatmap-opacity').dispatchEvent(new Event('input'));
    await settled();
    return drawn.map(({ src }) => src.split('/').at(-1));
  };

  it('never speaks of a heatmap', () => {
    const node = viewer();
    const parts = [node, numbersCard(result(image()), { nameOf: () => 'LCC' })];
    parts.push(provenanceCard(result(image()), { onCopy: () => {} }));
    for (const part of parts) {
      const spoken = [part.textContent, ...[...part.querySelectorAll('*')].flatMap((one) => [one.title, one.alt])];
      for (const one of [part, ...part.querySelectorAll('[aria-label]')]) spoken.push(one.getAttribute('aria-label'));
      expect(spoken.filter(Boolean).join(' ')).not.toMatch(/heat|grad-?cam|evidence/i);
    }
    expect(node.textContent).toContain('Segmentation mask');
    expect(node.textContent).toContain('outline: 50% and above');
    expect(node.querySelector('canvas').getAttribute('aria-label')).toBe('LCC, mammogram with the mask of lesion');
  });

  it('lays the outline over the mask and takes both away together', async () => {
    const node = viewer();
    document.body.replaceChildren(node);
    expect(await lastDrawn(node)).toEqual(['p.png', 'heatmap.lesion.png', 'outline.lesion.png']);
    node.querySelector('#heatmap-on').click();
    expect(await lastDrawn(node)).toEqual(['p.png']);
    expect(node.textContent).toContain('Segmentation mask is off.');
  });

  it('draws no outline where nothing was segmented', async () => {
    const empty = image();
    empty.heatmaps[0].outline_url = null;
    expect(await lastDrawn(viewer(result(empty)))).toEqual(['p.png', 'heatmap.lesion.png']);
  });
});
