/** The row of tools: what a drag does, window presets, what is switched for all views, and the ways out (report, card, keys). */
import { icon } from '../components/icons.js';
import { h } from '../dom.js';
import { t } from '../strings/index.js';
import './icons.js';
import { tools } from './state.js';
import { presets } from './window.js';

const button = ({ glyph, name, hint, pressed, onClick, className = '' }) =>
  h(
    'button',
    {
      type: 'button',
      className: `tool ${className}`,
      title: hint,
      'aria-pressed': pressed === undefined ? null : String(pressed),
      onClick,
    },
    icon(glyph),
    h('span', { className: 'tool__name' }, name),
  );

const sameSetting = (one, other) =>
  Math.abs(one.shift - other.shift) < 1e-6 && Math.abs(one.factor - other.factor) < 1e-6;

/** The choice that a setting is: 'file:0', 'dense', …, or 'own' when a hand moved it. */
export function presetOf(setting) {
  const name = Object.keys(presets).find((key) => sameSetting(presets[key], setting));
  if (!name) return 'own';
  return name === 'file' ? `file:${setting.index}` : name;
}

/** The setting behind a choice; 'own' has none. */
export function presetSetting(choice, setting) {
  const [name, index] = choice.split(':');
  if (!(name in presets)) return setting;
  return { ...setting, ...presets[name], index: index === undefined ? setting.index : Number(index) };
}

/** `actions`: { reset, full, print, help, card }. `source`: where the first window comes from; `tables`: all views begin with a display table. → { node, show({ setting, isFull }) }. */
export function toolbarCreate({ state, windows, source, tables, hasPixels, onPreset, onInvert, actions }) {
  const radios = tools.map((name) =>
    h('input', {
      type: 'radio',
      name: 'viewer-tool',
      value: name,
      onChange: () => state.commonSet({ tool: name }),
    }),
  );
  const choices = [
    ...Array.from({ length: Math.max(1, windows) }, (_, index) => `file:${index}`),
    ...Object.keys(presets).filter((name) => name !== 'file'),
    'own',
  ];
  const words = (choice) => {
    const [name, index] = choice.split(':');
    if (choice === 'file:0' && tables && hasPixels) return t('viewer.presets.fileTable');
    if (name === 'file' && windows > 1) return t('viewer.presets.fileNumber', { n: Number(index) + 1 });
    return t(`viewer.presets.${name}`);
  };
  const select = h(
    'select',
    {
      className: 'form-select form-select-sm',
      id: 'viewer-preset',
      title: source ? t(`viewer.windowSources.${source}`) : null,
      disabled: !hasPixels,
      onChange: (event) => onPreset(event.target.value),
    },
    choices.map((choice) => h('option', { value: choice, disabled: choice === 'own' }, words(choice))),
  );
  const invert = button({
    glyph: 'viewer-invert',
    name: t('viewer.invert'),
    hint: t('viewer.invertHint'),
    pressed: false,
    onClick: onInvert,
  });
  invert.disabled = !hasPixels;
  const linked = button({
    glyph: 'viewer-linked',
    name: t('viewer.linked'),
    hint: t('viewer.linkedHint'),
    pressed: true,
    onClick: () => state.commonSet({ linked: !state.common.linked }),
  });
  const plain = (key, glyph, className) =>
    button({ glyph, name: t(`viewer.${key}`), hint: t(`viewer.${key}Hint`), onClick: actions[key], className });
  const full = button({
    glyph: 'viewer-full',
    name: t('viewer.full'),
    hint: t('viewer.fullHint'),
    pressed: false,
    onClick: actions.full,
  });
  const node = h(
    'div',
    { className: 'toolbar', role: 'group', 'aria-label': t('viewer.tools') },
    h(
      'fieldset',
      { className: 'toolbar__tools' },
      h('legend', { className: 'visually-hidden' }, t('viewer.tool')),
      h(
        'div',
        { className: 'segmented' },
        tools.map((name, index) =>
          h(
            'label',
            { className: 'segmented__item', title: t(`viewer.toolHints.${name}`) },
            radios[index],
            h(
              'span',
              { className: 'segmented__tool' },
              icon(`viewer-${name}`),
              h('span', { className: 'tool__name' }, t(`viewer.toolNames.${name}`)),
            ),
          ),
        ),
      ),
    ),
    h(
      'div',
      { className: 'toolbar__preset' },
      h('label', { for: 'viewer-preset', className: 'visually-hidden' }, t('viewer.preset')),
      select,
    ),
    invert,
    linked,
    plain('reset', 'viewer-reset'),
    h('div', { className: 'toolbar__end' }, plain('print', 'viewer-print'), plain('help', 'viewer-keys'), full),
  );
  return {
    node,
    show({ setting, isFull }) {
      const { tool, linked: on } = state.common;
      for (const radio of radios) radio.checked = radio.value === tool;
      select.value = presetOf(setting);
      invert.setAttribute('aria-pressed', String(setting.inverted));
      linked.setAttribute('aria-pressed', String(on));
      full.setAttribute('aria-pressed', String(isFull));
    },
  };
}
