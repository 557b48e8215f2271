/** What pages offer to whom. Decides what is shown, never what is allowed: the server refuses the rest. */

export const isAdministrator = (session) => session.user?.role === 'administrator';

/** Whether the person may send studies, cancel and retry. */
export const maySubmit = (session) => ['submitter', 'administrator'].includes(session.user?.role);

/** Whether the person may change what serves every site. */
export const administersEverySite = (session) => Boolean(session.user?.administers_every_site);

/** Whether the person may change this deployment: the one of the own site, or, for every site, as a platform administrator. */
export function mayChange(session, { scope, site }) {
  return scope === 'all' ? administersEverySite(session) : site === session.site?.slug;
}
