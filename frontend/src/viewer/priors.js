/** Other studies of the same pseudonymous patient: which there are, and one of them beside this one. */
import { api } from '../api.js';
import { toastProblem } from '../components/toasts.js';
import { h } from '../dom.js';
import { dateTime, percent } from '../format.js';
import { jobPath } from '../navigation.js';
import { readingApi } from '../reading-api.js';
import { t } from '../strings/index.js';

function optionWords(study) {
  const date = dateTime(study.created_at);
  if (study.latest_job?.status !== 'SUCCEEDED') return t('viewer.priors.noResult', { date });
  return study.external_id
    ? t('viewer.priors.option', { date, id: study.external_id })
    : t('viewer.priors.optionPlain', { date });
}

/** The head over one of two studies side by side. */
export function compareHead({ words, result, jobId, warn }) {
  const { name, version } = result.package;
  return h(
    'div',
    { className: 'compare__head' },
    h('strong', {}, words),
    h(
      'span',
      {},
      t('viewer.priors.suspicion', { value: percent(result.study.suspicion), package: `${name} ${version}` }),
    ),
    jobId && h('a', { href: jobPath(jobId) }, t('viewer.priors.open')),
    warn && h('p', { className: 'compare__warning' }, t('viewer.priors.packages')),
  );
}

/**
 * The choice of a study to compare with, filled once the server answers; it stays hidden where there is none.
 * `onChosen({ study, result })`, or null for none.
 */
export function priorsCreate({ studyId, onChosen }) {
  const select = h('select', { className: 'form-select form-select-sm', id: 'viewer-prior' });
  const node = h(
    'div',
    { className: 'toolbar__priors', hidden: true, title: t('viewer.priors.hint') },
    h('label', { for: 'viewer-prior' }, t('viewer.priors.compare')),
    select,
  );
  let studies = [];

  select.addEventListener('change', async () => {
    const study = studies.find(({ id }) => id === select.value);
    if (!study) {
      onChosen(null);
      return;
    }
    select.disabled = true;
    try {
      const { data: result } = await api.jobResult(study.latest_job.id);
      onChosen({ study, result });
    } catch (problem) {
      toastProblem(problem);
      select.value = '';
    }
    select.disabled = false;
  });

  return {
    node,
    clear() {
      select.value = '';
    },
    async load() {
      try {
        ({
          data: { results: studies },
        } = await readingApi.studyPriors(studyId));
      } catch (problem) {
        if (problem.status !== 404) toastProblem(problem); // a study of another site, whose priors stay there
        return;
      }
      node.hidden = studies.length === 0;
      select.replaceChildren(
        h('option', { value: '' }, t('viewer.priors.none')),
        ...studies.map((study) =>
          h('option', { value: study.id, disabled: study.latest_job?.status !== 'SUCCEEDED' }, optionWords(study)),
        ),
      );
    },
  };
}
