/** Uploads of packages and ONNX files, each followed from the first byte to the verdict of its validation. */
import { registry } from '../registry-api.js';
import { h, textSet } from '../dom.js';
import { bytes } from '../format.js';
import { modelPath } from '../navigation.js';
import { pollingCreate } from '../polling.js';
import { english } from '../server-words.js';
import { t } from '../strings/index.js';
import { checkProgress } from './check-report.js';
import { problemNode } from './form-dialog.js';
import { badge, validationBadge } from './package-parts.js';

const followSeconds = 1;

export const kindOf = (fileName) => (/\.onnx$/i.test(fileName) ? 'onnx' : 'package');

/** Whether the file can be one of the two kinds; the server reads it anyway. */
export const uploadable = (fileName) => /\.(onnx|zip)$/i.test(fileName);

export function uploadForm({ file, kind, form = null }) {
  const data = new FormData();
  data.append('kind', kind);
  if (form) data.append('form', JSON.stringify(form));
  data.append('file', file);
  return data;
}

/** What the newest check of a package says, whether the server lists checks newest first or not. */
export function newestCheck(checks) {
  return [...(checks ?? [])].sort((a, b) => Date.parse(b.requested_at) - Date.parse(a.requested_at))[0] ?? null;
}

const stateLooks = {
  RECEIVED: ['info', 'clock'],
  BUILDING: ['info', 'play'],
  INSTALLED: ['good', 'check'],
  REFUSED: ['bad', 'xCircle'],
};

/** One upload's card. `onInstalled()` when a package has come in or its validation has ended. */
export function uploadCard({ name, size, onInstalled }) {
  const status = h('span', {});
  const body = h('div', {});
  const node = h(
    'li',
    { className: 'upload-card card' },
    h(
      'div',
      { className: 'upload-card__head' },
      h('strong', {}, name),
      h('span', { className: 'muted' }, bytes(size)),
      status,
    ),
    body,
  );

  function stateShow(state) {
    const [tone, glyph] = stateLooks[state] ?? ['quiet', 'info'];
    status.replaceChildren(badge(tone, glyph, t(`models.uploadStates.${state}`)));
  }

  function refusedShow(failure) {
    status.replaceChildren(badge('bad', 'xCircle', t('models.uploadStates.REFUSED')));
    const sentences = failure.sentences ?? [failure.message, failure.action, english(failure.detail)].filter(Boolean);
    body.replaceChildren(problemNode({ title: failure.title, sentences, code: failure.code }));
  }

  function validationFollow(digest) {
    const open = h(
      'a',
      { className: 'btn btn-sm btn-outline-secondary', href: modelPath(digest) },
      t('models.openPackage'),
    );
    const progress = h('div', {});
    body.replaceChildren(progress, open);
    const poll = pollingCreate({
      fetcher: async (options) => {
        const { data, ...rest } = await registry.packageRead(digest, options);
        const newest = data && newestCheck(data.checks);
        if (!newest) return { data: data && { model: data, check: null }, ...rest };
        return { ...rest, etag: null, data: { model: data, check: (await registry.checkRead(newest.id)).data } };
      },
      onData: ({ model, check }) => {
        const under = check && (check.state === 'QUEUED' || check.state === 'RUNNING');
        progress.replaceChildren(
          under ? checkProgress(check) : h('p', {}, validationBadge(model.validation_state)),
          ...(check?.failure
            ? [problemNode({ ...check.failure, sentences: [check.failure.message, check.failure.action] })]
            : []),
        );
        if (!under) onInstalled();
      },
      onFatal: refusedShow,
      delaySeconds: ({ check }) => (check?.state === 'QUEUED' || check?.state === 'RUNNING' ? followSeconds : null),
    });
    poll.start();
  }

  function buildFollow(id) {
    const poll = pollingCreate({
      fetcher: (options) => registry.uploadRead(id, options),
      onData: (upload) => answered(upload),
      onFatal: refusedShow,
      delaySeconds: ({ state }) => (state === 'RECEIVED' || state === 'BUILDING' ? followSeconds : null),
    });
    poll.start();
  }

  function answered(upload) {
    stateShow(upload.state);
    if (upload.state === 'REFUSED') refusedShow(upload.failure ?? { title: t('models.uploadStates.REFUSED') });
    else if (upload.state === 'INSTALLED') {
      onInstalled();
      validationFollow(typeof upload.package === 'string' ? upload.package : upload.package.digest);
    } else {
      body.replaceChildren(
        h('p', {}, t('models.building')),
        h('progress', { className: 'meter', 'aria-label': t('models.building') }),
      );
    }
  }

  return {
    node,
    refusedShow,
    /** Bytes on their way; resolves to the upload, rejects with the refusal. */
    async send({ file, kind, form }) {
      const bar = h('progress', { className: 'meter', max: 1, value: 0, 'aria-label': t('models.sending') });
      const words = h('p', { className: 'form-text' }, t('models.sending'));
      body.replaceChildren(bar, words);
      status.replaceChildren(badge('info', 'upload', t('models.sending')));
      const transfer = registry.uploadSend(uploadForm({ file, kind, form }), {
        onProgress: ({ sentBytes, totalBytes }) => {
          bar.value = sentBytes / totalBytes;
          const done = sentBytes >= totalBytes;
          textSet(
            words,
            done ? t('models.verifying') : t('models.sent', { done: bytes(sentBytes), total: bytes(totalBytes) }),
          );
        },
      });
      const { data } = await transfer.promise;
      answered(data);
      if (data.state === 'RECEIVED' || data.state === 'BUILDING') buildFollow(data.id);
      return data;
    },
  };
}
