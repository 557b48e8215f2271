/** What stands in the place of the worklist's rows where there are none. */
import { h } from '../dom.js';
import { t } from '../strings/index.js';
import { icon } from './icons.js';
import { sampleButton } from './sample.js';

const beginButtons = () =>
  h(
    'div',
    { className: 'buttons empty__buttons' },
    h('a', { className: 'btn btn-primary', href: '/upload' }, t('worklist.emptyAction')),
    sampleButton({ look: 'outline-secondary', className: 'btn btn-outline-secondary empty__more' }),
    h('a', { className: 'btn btn-outline-secondary empty__more', href: '/tokens?new' }, t('firstSteps.token')),
  );

/**
 * `filtered`: filters leave everything out, so that `onClear` may help; otherwise nothing has been sent yet, and `mayChange` says
 * whether the person may begin.
 */
export function worklistEmpty({ filtered, mayChange, onClear }) {
  const kind = filtered ? 'nothing' : 'empty';
  return h(
    'div',
    { className: 'empty' },
    icon(filtered ? 'info' : 'upload', 'icon empty__icon'),
    h('h2', { className: 'h5' }, t(`worklist.${kind}Title`)),
    h('p', { className: 'text-body-secondary' }, t(`worklist.${kind}Text`)),
    !filtered && mayChange && h('p', { className: 'text-body-secondary empty__text' }, t('firstSteps.hint')),
    filtered
      ? h('button', { className: 'btn btn-outline-secondary', type: 'button', onClick: onClear }, t('worklist.clear'))
      : mayChange && beginButtons(),
  );
}
