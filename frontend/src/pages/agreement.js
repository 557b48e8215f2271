/** How the candidate of a deployment agrees with the package in service. */
import { agreementReport } from '../components/agreement-report.js';
import { badge, packageName } from '../components/package-parts.js';
import { button, contentShow, emptyCard, headShow, link, registryStart } from '../components/registry-page.js';
import { deploymentNameFrom } from '../navigation.js';
import { registry } from '../registry-api.js';
import { t } from '../strings/index.js';

const search = new URLSearchParams(location.search);
const name = deploymentNameFrom(location.pathname);
const filters = Object.fromEntries(['scope', 'since', 'candidate', 'mode'].map((key) => [key, search.get(key)]));

async function draw() {
  const { data: pointer } = await registry.deploymentRead({ name, scope: filters.scope });
  headShow({ title: t('agreement.title', { name }), lead: '' });
  if (!pointer.candidate && !filters.candidate) {
    contentShow(
      emptyCard({
        title: t('agreement.noCandidateTitle'),
        text: t('agreement.noCandidateText'),
        glyph: 'flask',
        action: link({ words: t('nav.deployments'), href: '/deployments', look: 'primary' }),
      }),
    );
    return;
  }
  const { data: report } = await registry.agreementRead({ name, ...filters });
  const candidate = pointer.candidate?.package.digest === report.candidate ? pointer.candidate.package : null;
  headShow({
    title: t('agreement.title', { name }),
    lead: t('agreement.lead', {
      candidate: candidate ? packageName(candidate) : report.candidate.slice(7, 19),
      primary: packageName(pointer.package),
    }),
    badge: badge('info', 'flask', t(`deployments.modes.${report.mode}`)),
    actions: [button({ words: t('registry.refresh'), glyph: 'arrowRepeat', onClick: draw })],
  });
  contentShow(agreementReport(report));
}

registryStart(draw);
