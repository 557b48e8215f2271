/** Two packages side by side. */
import { compareSections, compareCautions } from '../components/package-compare.js';
import { packageLink, packageName, placeBadges, validationBadge } from '../components/package-parts.js';
import { button, contentShow, emptyCard, headShow, link, registryStart } from '../components/registry-page.js';
import { h } from '../dom.js';
import { modelsComparePath } from '../navigation.js';
import { registry } from '../registry-api.js';
import { makersLang } from '../server-words.js';
import { t } from '../strings/index.js';

const search = new URLSearchParams(location.search);
const left = search.get('left');
const right = search.get('right');
let onlyDifferent = true;

const side = (name, model) =>
  h(
    'div',
    { className: 'card panel' },
    h('p', { className: 'muted' }, name),
    h('h2', { className: 'h5' }, packageLink(model)),
    h('p', { lang: makersLang }, model.title),
    h('div', { className: 'badges' }, validationBadge(model.validation_state), placeBadges(model)),
  );

function show(comparison) {
  headShow({
    actions: [
      button({
        words: t(onlyDifferent ? 'compare.showAll' : 'compare.showDifferent'),
        'aria-pressed': String(onlyDifferent),
        onClick: () => {
          onlyDifferent = !onlyDifferent;
          show(comparison);
        },
      }),
      link({ words: t('compare.swap'), href: modelsComparePath(right, left), glyph: 'swap' }),
    ],
  });
  contentShow(
    compareCautions(comparison),
    h(
      'div',
      { className: 'compare__sides' },
      side(t('compare.left'), comparison.left),
      side(t('compare.right'), comparison.right),
    ),
    compareSections(comparison, {
      keepSame: true,
      columns: [packageName(comparison.left), packageName(comparison.right)],
      onlyDifferent,
    }),
  );
}

registryStart(async () => {
  if (!left || !right) {
    contentShow(
      emptyCard({
        title: t('compare.chooseTitle'),
        text: t('compare.chooseText'),
        glyph: 'columns',
        action: link({ words: t('compare.choose'), href: '/models', look: 'primary' }),
      }),
    );
    return;
  }
  show((await registry.packagesCompare(left, right)).data);
});
