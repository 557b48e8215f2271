/**
 * Chosen files as studies: DICOM by the Study Instance UID in the header, pictures by the folder they lay in; they join the DICOM
 * files beside them where these are of one study. Pure.
 */
const junk = /^(\.|dicomdir$|thumbs\.db$|desktop\.ini$)/i;

/** Files that come along with folders and are no images: hidden ones, DICOMDIR, what file managers leave behind. */
export const isJunk = (name) => junk.test(name);

/** folder → the one Study Instance UID of its DICOM files, or null where there are several. */
function uidsByFolder(entries) {
  const uids = new Map();
  for (const { facts, folder } of entries) {
    const uid = facts?.studyInstanceUid;
    if (uid) uids.set(folder, uids.has(folder) && uids.get(folder) !== uid ? null : uid);
  }
  return uids;
}

/** → [{ key, folder, entries }] in the order of their first files. */
export function studiesOf(entries) {
  const studies = new Map();
  const uids = uidsByFolder(entries);
  for (const entry of entries) {
    const uid = entry.facts?.studyInstanceUid ?? uids.get(entry.folder);
    const key = uid ? `uid ${uid}` : `folder ${entry.folder}`;
    if (!studies.has(key)) studies.set(key, { key, folder: entry.folder, entries: [] });
    studies.get(key).entries.push(entry);
  }
  return [...studies.values()];
}
