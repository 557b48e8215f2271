/** One chosen file on the upload page: thumbnail, facts, side and view, problems. Redrawn in parts so that selects keep focus. */
import { viewPositions } from '../dicom/name-tokens.js';
import { syntaxNames } from '../dicom/syntaxes.js';
import { h, textSet } from '../dom.js';
import { bytes, significant } from '../format.js';
import { t } from '../strings/index.js';
import { previewDraw } from './file-preview.js';
import { icon } from './icons.js';

const mediaNames = { dicom: 'DICOM', png: 'PNG', jpeg: 'JPEG' };

function factsLine(entry) {
  const facts = entry.facts;
  const size = facts ?? entry.size;
  return [
    mediaNames[entry.media],
    facts?.modality,
    size?.columns && size?.rows && `${size.columns} × ${size.rows}`,
    facts?.bitsStored && `${facts.bitsStored} bit`,
    facts && (syntaxNames[facts.transferSyntaxUid] ?? facts.transferSyntaxUid),
    bytes(entry.sizeBytes),
  ]
    .filter(Boolean)
    .join(' · ');
}

function windowLine({ preview }) {
  if (preview?.kind !== 'grey') return null;
  if (preview.voi === 'lut') return t('upload.windowLut');
  if (preview.voi === 'assumed') return t('upload.windowAssumed');
  const { centre, width } = preview.window;
  return t('upload.windowFromFile', { centre: significant(centre, 5), width: significant(width, 5) });
}

function select({ id, label, value, options, onChange }) {
  return h(
    'div',
    { className: 'file-card__select' },
    h('label', { className: 'form-label', for: id }, label),
    h(
      'select',
      { className: 'form-select form-select-sm', id, onChange: (event) => onChange(event.target.value) },
      options.map(([key, text]) => h('option', { value: key, selected: key === value }, text)),
    ),
  );
}

/**
 * Returns { node, contentUpdate(), problemsUpdate(problems), progressUpdate(progress) }. `onChange(entry)` after a select;
 * `onRemove(entry)`. `progress`: null, or { state: 'waiting' | 'sending' | 'arrived' | 'failed', sent }.
 */
export function fileCardCreate(entry, { onChange, onRemove }) {
  const thumb = h('div', { className: 'thumb' }, h('span', { className: 'skeleton thumb__skeleton' }));
  const facts = h('p', { className: 'file-card__facts' }, t('upload.reading'));
  const selects = h('div', { className: 'file-card__selects' });
  const source = h('p', { className: 'file-card__source' });
  const problems = h('ul', { className: 'file-card__problems' });
  const meter = h('progress', {
    className: 'meter',
    max: 1,
    value: 0,
    'aria-label': t('upload.sentOf', { name: entry.name }),
  });
  const meterText = h('span', { className: 'file-card__sent' });
  const progressPlace = h('div', { className: 'file-card__progress', hidden: true }, meter, meterText);
  const node = h(
    'li',
    { className: 'file-card', dataset: { key: entry.key } },
    thumb,
    h(
      'div',
      { className: 'file-card__body' },
      h(
        'div',
        { className: 'file-card__head' },
        h('p', { className: 'file-card__name', title: entry.name }, entry.name),
        h(
          'button',
          {
            type: 'button',
            className: 'btn btn-sm btn-ghost',
            'aria-label': t('upload.remove', { name: entry.name }),
            onClick: () => onRemove(entry),
          },
          icon('trash'),
        ),
      ),
      facts,
      selects,
      source,
      progressPlace,
      problems,
    ),
  );

  const choose = (field) => (value) => {
    entry[field] = value;
    entry.source = entry.side || entry.view ? 'person' : 'none';
    sourceUpdate();
    onChange(entry);
  };

  function sourceUpdate() {
    const words = { header: 'upload.fromHeader', name: 'upload.fromName', none: 'upload.notGiven' }[entry.source];
    source.textContent = words && entry.media ? t(words) : '';
    source.dataset.source = entry.source;
  }

  function selectsDraw() {
    if (entry.source === 'header') {
      selects.replaceChildren(h('span', { className: 'view-tag' }, `${entry.side} ${entry.view}`));
      return;
    }
    const sideOptions = [
      ['', t('upload.sideUnknown')],
      ['R', t('upload.sideR')],
      ['L', t('upload.sideL')],
    ];
    const viewOptions = [['', t('upload.sideUnknown')], ...viewPositions.map((view) => [view, view])];
    if (entry.view && !viewPositions.includes(entry.view)) viewOptions.push([entry.view, entry.view]);
    selects.replaceChildren(
      select({
        id: `${entry.key}-side`,
        label: t('upload.laterality'),
        value: entry.side,
        options: sideOptions,
        onChange: choose('side'),
      }),
      select({
        id: `${entry.key}-view`,
        label: t('upload.view'),
        value: entry.view,
        options: viewOptions,
        onChange: choose('view'),
      }),
    );
  }

  return {
    node,
    async contentUpdate() {
      const size = await previewDraw(thumb, entry);
      if (size) entry.size = size;
      const window = windowLine(entry);
      facts.replaceChildren(factsLine(entry), window ? h('span', { className: 'file-card__window' }, window) : '');
      if (entry.media) selectsDraw();
      sourceUpdate();
    },
    progressUpdate(progress) {
      progressPlace.hidden = !progress;
      if (!progress) return;
      progressPlace.dataset.state = progress.state;
      meter.value = entry.sizeBytes ? progress.sent / entry.sizeBytes : 1;
      const values = { percent: Math.floor(meter.value * 100) };
      textSet(meterText, t(`upload.transfer.${progress.state}`, values));
    },
    problemsUpdate(found) {
      const worst = found.some(({ level }) => level === 'error') ? 'error' : found.length ? 'warning' : 'ready';
      node.dataset.level = worst;
      problems.replaceChildren(
        ...found.map(({ level, text }) =>
          h(
            'li',
            { className: `problem problem--${level}` },
            icon(level === 'error' ? 'xCircle' : 'warning'),
            h('span', {}, text),
          ),
        ),
      );
    },
  };
}
