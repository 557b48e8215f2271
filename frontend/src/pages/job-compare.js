/** Two results side by side: a study under two packages, or a job and its replay. */
import { studyName } from '../components/job-actions.js';
import { contentShow, emptyCard, headShow, link, registryStart } from '../components/registry-page.js';
import { resultCompare } from '../components/result-compare.js';
import { jobsComparePath } from '../navigation.js';
import { registry } from '../registry-api.js';
import { t } from '../strings/index.js';

const search = new URLSearchParams(location.search);
const left = search.get('left');
const right = search.get('right');

registryStart(async () => {
  if (!left || !right) {
    contentShow(emptyCard({ title: t('jobCompare.chooseTitle'), text: t('jobCompare.chooseText'), glyph: 'columns' }));
    return;
  }
  const { data } = await registry.jobsCompare(left, right);
  headShow({
    title: t('jobCompare.title', { name: studyName(data.left.job) }),
    actions: [link({ words: t('compare.swap'), href: jobsComparePath(right, left), glyph: 'swap' })],
  });
  contentShow(resultCompare(data));
});
