/** One package in the list: what it is, whether it passed, where it serves, its first figures. */
import { h } from '../dom.js';
import { bytes, digestShort } from '../format.js';
import { modelPath } from '../navigation.js';
import { makersLang } from '../server-words.js';
import { t } from '../strings/index.js';
import { classList, metricTiles, packageName, placeBadges, validationBadge } from './package-parts.js';
import { timeNode } from './registry-page.js';

/** `onChoose(digest, chosen)` gathers packages for a comparison. */
export function packageCard(model, { chosen, onChoose }) {
  const by = model.installed_by ? t('models.installedBy', { who: model.installed_by }) : t('models.installed');
  return h(
    'li',
    {
      className: `package-card card${model.archived_at ? ' package-card--archived' : ''}`,
      dataset: { digest: model.digest },
    },
    h(
      'div',
      { className: 'package-card__head' },
      h(
        'div',
        {},
        h(
          'h2',
          { className: 'package-card__title' },
          h('a', { href: modelPath(model.digest), lang: makersLang }, model.title || model.name),
        ),
        h(
          'p',
          { className: 'muted' },
          packageName(model),
          ' · ',
          h('code', { title: model.digest }, digestShort(model.digest)),
        ),
      ),
      h(
        'label',
        { className: 'form-check package-card__choose' },
        h('input', {
          className: 'form-check-input',
          type: 'checkbox',
          checked: chosen,
          'aria-label': t('models.chooseAria', { name: packageName(model) }),
          onChange: (event) => onChoose(model.digest, event.target.checked),
        }),
        h('span', { className: 'form-check-label', 'aria-hidden': 'true' }, t('models.choose')),
      ),
    ),
    h('div', { className: 'badges' }, validationBadge(model.validation_state), placeBadges(model)),
    classList(model.classes),
    model.metrics.length > 0 ? metricTiles(model.metrics, 3) : h('p', { className: 'muted' }, t('models.noMetrics')),
    h(
      'p',
      { className: 'package-card__foot muted' },
      by,
      ' ',
      timeNode(model.installed_at),
      ' · ',
      bytes(model.size_bytes),
      ' · ',
      model.signed_by ? t('models.signedBy', { who: model.signed_by }) : t('models.unsigned'),
    ),
  );
}
