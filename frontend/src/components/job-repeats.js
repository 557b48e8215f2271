/** Re-runs and replays of jobs, for administrators: asking for them, and what a replay said. */
import { h } from '../dom.js';
import { jobPath, jobsComparePath } from '../navigation.js';
import { registry } from '../registry-api.js';
import { plural, t } from '../strings/index.js';
import { packageOptions } from './deployment-dialogs.js';
import { formAsk, reasonField } from './form-dialog.js';
import { badge } from './package-parts.js';
import { button, callout, dataTable, link, timeNode } from './registry-page.js';
import { toast } from './toasts.js';

const verdictLooks = { identical: ['good', 'check'], different: ['warn', 'swap'], failed: ['bad', 'xCircle'] };

/** Runs the jobs again with another package. Resolves to [{ origin, job }], or null when declined. */
export async function rerunAsk(ids) {
  const { data } = await registry.packagesList({});
  const answer = await formAsk({
    title: plural('repeats.rerunTitle', ids.length),
    text: t('repeats.rerunText'),
    fields: [
      {
        name: 'package',
        type: 'select',
        label: t('deployments.package'),
        required: true,
        options: [{ value: '', label: t('deployments.packageChoose') }, ...packageOptions(data.results)],
      },
      reasonField(),
    ],
    confirm: t('repeats.rerun'),
    send: async ({ package: digest, reason }) =>
      (await registry.jobsRerun({ jobs: ids, package: digest, reason })).data,
  });
  if (answer) toast({ kind: 'success', title: plural('repeats.rerunDone', answer.results.length) });
  return answer?.results ?? null;
}

/** Asks for a replay; resolves to its job's id. */
export async function replayStart(id) {
  const { data } = await registry.jobReplay(id);
  toast({ kind: 'success', title: t('repeats.replayAsked') });
  return data.job;
}

/** What a repeated job is, with the way to its origin and both side by side. Null for an ordinary job. */
export function originNode(job, { administrator }) {
  if (!job.origin) return null;
  return h(
    'div',
    { className: 'origin' },
    callout({
      tone: 'info',
      title: t(`repeats.purposes.${job.purpose}`),
      children: [
        h(
          'div',
          { className: 'buttons' },
          link({ words: t('repeats.openOrigin'), href: jobPath(job.origin), small: true }),
          administrator &&
            link({
              words: t('repeats.sideBySide'),
              href: jobsComparePath(job.origin, job.id),
              glyph: 'columns',
              small: true,
            }),
        ),
      ],
    }),
  );
}

function replayNode(id, replay) {
  const [tone, glyph] = verdictLooks[replay.verdict] ?? ['info', 'pause'];
  return h(
    'li',
    { className: 'replay' },
    h(
      'p',
      {},
      badge(tone, glyph, t(`repeats.verdicts.${replay.verdict ?? 'pending'}`)),
      ' ',
      h(
        'span',
        { className: 'muted' },
        timeNode(replay.created_at),
        replay.requested_by && ` · ${replay.requested_by}`,
      ),
    ),
    h(
      'p',
      { className: 'muted' },
      t('repeats.tolerance', { scores: replay.tolerance.scores, maps: replay.tolerance.maps }),
      replay.provider_right &&
        ` · ${t('repeats.providers', { left: replay.provider_left ?? t('common.unknown'), right: replay.provider_right })}`,
    ),
    replay.differences.length > 0 &&
      dataTable({
        caption: t('jobCompare.differences'),
        columns: [t('jobCompare.where'), t('repeats.recorded'), t('repeats.replayed'), t('jobCompare.difference')],
        rows: replay.differences.map((one) => [
          h('code', {}, one.where),
          ...[one.left, one.right, one.difference].map((value) => (value === null ? t('common.none') : String(value))),
        ]),
      }),
    replay.verdict &&
      replay.verdict !== 'failed' &&
      link({ words: t('repeats.sideBySide'), href: jobsComparePath(id, replay.job), glyph: 'columns', small: true }),
  );
}

/** Every replay of a job, newest first. Null without any. */
export function replaysCard(id, replays) {
  if (!replays.length) return null;
  return h(
    'section',
    { className: 'card panel replays', 'aria-labelledby': 'replays-title' },
    h('h2', { className: 'h6', id: 'replays-title' }, t('repeats.replays')),
    h(
      'ul',
      { className: 'plain-list plain-list--bare' },
      replays.map((replay) => replayNode(id, replay)),
    ),
  );
}

/** The buttons of a finished job. */
export function repeatButtons(job, { onRerun, onReplay }) {
  if (job.status !== 'SUCCEEDED') return [];
  return [
    button({ words: t('repeats.rerunWith'), glyph: 'arrowRepeat', onClick: onRerun }),
    job.purpose !== 'replay' && button({ words: t('repeats.replay'), glyph: 'back', onClick: onReplay }),
  ].filter(Boolean);
}
