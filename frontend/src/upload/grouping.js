/**
 * Chosen files as studies: DICOM by the Study Instance UID in the header, everything else by the folder it lay in. Pure.
 */
const junk = /^(\.|dicomdir$|thumbs\.db$|desktop\.ini$)/i;

/** Files that come along with folders and are no images: hidden ones, DICOMDIR, what file managers leave behind. */
export const isJunk = (name) => junk.test(name);

const keyOf = ({ facts, folder }) => (facts?.studyInstanceUid ? `uid ${facts.studyInstanceUid}` : `folder ${folder}`);

/** → [{ key, folder, entries }] in the order of their first files. */
export function studiesOf(entries) {
  const studies = new Map();
  for (const entry of entries) {
    const key = keyOf(entry);
    if (!studies.has(key)) studies.set(key, { key, folder: entry.folder, entries: [] });
    studies.get(key).entries.push(entry);
  }
  return [...studies.values()];
}
