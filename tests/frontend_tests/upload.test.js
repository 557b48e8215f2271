import { problemsCount, studyProblems } from '@/upload/checks.js';
import { submissionMake } from '@/upload/entry.js';
import { filesOfDrop, filesOfPicker } from '@/upload/folder-drop.js';
import { studiesOf } from '@/upload/grouping.js';

const limits = { max_file_bytes: 1_000_000, max_files: 3 };
let made = 0;
const entry = (more) => ({
  key: `k${(made += 1)}`,
  name: 'a.png',
  sizeBytes: 10,
  media: 'png',
  fingerprint: `f${made}`,
  facts: null,
  headerError: null,
  side: '',
  view: '',
  source: 'none',
  ...more,
});
const dicom = (facts) =>
  entry({
    media: 'dicom',
    facts: { hasPixels: true, frames: 1, modality: 'MG', ...facts },
  });
const texts = (...entries) =>
  [...studyProblems(entries, limits).byKey.values()].map((list) => list.map(({ level, text }) => `${level}: ${text}`));

it('has nothing to say about a good study', () => {
  const found = studyProblems([dicom({ patientId: 'p' }), dicom({ patientId: 'p' })], limits);
  expect(problemsCount(found)).toEqual({ errors: 0, warnings: 0 });
  expect(found.study).toEqual([]);
});

it('stops what the server is certain to refuse', () => {
  expect(texts(entry({ sizeBytes: 0 }))).toEqual([['error: The file is empty.']]);
  expect(texts(entry({ sizeBytes: 2_000_000 }))).toEqual([['error: The file has 2 MB; the server accepts 1 MB.']]);
  expect(texts(entry({ media: null }))).toEqual([['error: This is neither DICOM, PNG nor JPEG.']]);
  expect(texts(dicom({ hasPixels: false }))[0][0]).toMatch(/^error: .*no pixels/);
  expect(texts(entry({ media: 'dicom', headerError: 'x' }))[0][0]).toMatch(/^error: .*header cannot be read/);
});

it('only warns where the server has the last word', () => {
  expect(texts(dicom({ modality: 'CT' }))[0][0]).toMatch(/^warning: .*modality CT/);
  expect(texts(dicom({ forProcessing: true }))[0][0]).toMatch(/^warning: Raw detector image/);
  expect(texts(dicom({ frames: 60 }))[0][0]).toMatch(/^warning: .*60 frames/);
});

it('marks the second of two equal files, not the first', () => {
  const [first, second] = texts(entry({ fingerprint: 'same' }), entry({ fingerprint: 'same' }));
  expect(first).toEqual([]);
  expect(second).toEqual(['error: The same image is already in the list.']);
});

it('notices different patients without naming them', () => {
  const { study } = studyProblems([dicom({ patientId: 'ANNA^A' }), dicom({ patientId: 'BERTA^B' })], limits);
  expect(study).toHaveLength(1);
  expect(study[0].level).toBe('error');
  expect(study[0].text).not.toMatch(/ANNA|BERTA/);
});

it('notices too many files, and a view that stands twice', () => {
  const { study } = studyProblems([entry(), entry(), entry(), entry()], limits);
  expect(study[0].text).toBe('Only 3 files fit in one study.');
  const twice = [entry({ side: 'L', view: 'CC' }), entry({ side: 'L', view: 'CC' })];
  expect(texts(...twice)[1]).toEqual(['warning: More than one image is marked LCC. Is that intended?']);
});

it('asks for the other half where only side or view is stated', () => {
  expect(texts(entry({ side: 'L' }))[0][0]).toMatch(/^warning: Half stated/);
});

it('sends sides and views aligned to the uploads, and leaves to the server what the header states', () => {
  const own = [
    entry({ source: 'header', side: 'R', view: 'CC' }),
    entry({ source: 'person', side: 'L', view: 'MLO' }),
    entry(),
  ];
  const given = { uploads: ['u1', 'u2', 'u3'], externalId: 'ACC-1', priority: 'stat', deployment: '' };
  expect(submissionMake(own, given)).toEqual({
    uploads: ['u1', 'u2', 'u3'],
    image_laterality: ['', 'L', ''],
    view_position: ['', 'MLO', ''],
    priority: 'stat',
    external_id: 'ACC-1',
  });
});

it('sorts files into studies by header, and by folder where there is none', () => {
  const chosen = [
    { ...dicom({ studyInstanceUid: '1.1' }), folder: 'a/' },
    { ...dicom({ studyInstanceUid: '1.2' }), folder: 'a/' },
    { ...dicom({ studyInstanceUid: '1.1' }), folder: 'b/' },
    entry({ folder: 'c/' }),
    entry({ folder: 'd/' }),
    entry({ folder: 'c/' }),
  ];
  const found = studiesOf(chosen).map(({ entries }) => entries.map((one) => chosen.indexOf(one)));
  expect(found).toEqual([[0, 2], [1], [3, 5], [4]]);
});

it('lets a picture join the DICOM files beside it, where these are of one study', () => {
  const lone = [{ ...dicom({ studyInstanceUid: '1.1' }), folder: 'a/' }, entry({ folder: 'a/' })];
  expect(studiesOf(lone)).toHaveLength(1);
  const several = [...lone, { ...dicom({ studyInstanceUid: '1.2' }), folder: 'a/' }];
  expect(studiesOf(several).map(({ entries }) => entries.length)).toEqual([1, 1, 1]);
});

const fileEntry = (name) => ({ isFile: true, name, file: (resolve) => resolve(new File(['x'], name)) });
const folderEntry = (name, children) => ({
  isFile: false,
  name,
  createReader: () => {
    const rest = [...children];
    return { readEntries: (resolve) => resolve(rest.splice(0, 1)) }; // one at a time, as readers may
  },
});

it('opens dropped folders to any depth and leaves out what is no image', async () => {
  const tree = folderEntry('case', [
    fileEntry('2.dcm'),
    fileEntry('DICOMDIR'),
    folderEntry('deep', [fileEntry('1.dcm')]),
  ]);
  const items = [tree, fileEntry('loose.png'), fileEntry('.hidden')].map((one) => ({ webkitGetAsEntry: () => one }));
  const found = await filesOfDrop({ items, files: [] });
  expect(found.map(({ file, folder }) => folder + file.name)).toEqual(['case/2.dcm', 'case/deep/1.dcm', 'loose.png']);
});

it('knows the folder of files that a picker gives', () => {
  const file = new File(['x'], 'rcc.png');
  Object.defineProperty(file, 'webkitRelativePath', { value: 'cases/17/rcc.png' });
  expect(filesOfPicker([file, new File(['x'], 'Thumbs.db')])).toEqual([{ file, folder: 'cases/17/' }]);
  expect(filesOfPicker([new File(['x'], 'lcc.png')])[0].folder).toBe('');
});
