/**
 * The result viewer: views in mammography hanging with tools, heatmaps or masks, and another study of the patient beside them.
 * Puts the parts together; each has a module of its own. Loaded when there is a result to show.
 */
import { icon } from '../components/icons.js';
import { isSegmentation } from '../components/mask.js';
import { h } from '../dom.js';
import { dateTime } from '../format.js';
import { t } from '../strings/index.js';
import { cardOpen, helpOpen } from './dialogs.js';
import { gridCreate } from './grid.js';
import { keysAttach } from './keys.js';
import { layerControlsCreate } from './layer-controls.js';
import { paintersPrepare } from './painter-client.js';
import { compareHead, priorsCreate } from './priors.js';
import { ViewerState } from './state.js';
import { presetSetting, toolbarCreate } from './toolbar.js';
import { windowSource } from './window.js';

/** What can be made ready while the result is on its way. */
export const viewerPrepare = paintersPrepare;

/** → { node, firstView, close() }. `jobId`: the job of the result; `firstView`: resolves when a view is shown in full. */
export function viewerCreate(result, { jobId }) {
  const masks = isSegmentation(result);
  const first = result.targets.includes(result.suspicion.target) ? result.suspicion.target : result.targets[0];
  const targets = [first, ...result.targets.filter((target) => target !== first)];
  const state = new ViewerState({ on: true, target: first, opacity: 60, threshold: 0 });
  const say = h('div', { className: 'visually-hidden', role: 'status' });
  const onSay = (text) => {
    say.textContent = text;
  };
  const grid = gridCreate({ result, state, onSay });
  const place = h('div', { className: 'viewer__place' }, grid.node);
  let other = null;
  let isFull = false;

  const grids = () => [grid, other?.grid].filter(Boolean);
  const stages = () => grids().flatMap((one) => [...one.stages.values()]);
  const lead = () => grid.stages.keys().next().value;
  const stageActive = () => stages().find(({ node: stage }) => stage === document.activeElement) ?? null;
  const activeId = () => stageActive()?.id ?? grid.aloneId ?? lead();
  const settingNow = () => state.view(activeId()).setting;
  const settingSet = (setting) => state.viewSet(activeId(), { setting });

  const actions = {
    reset() {
      state.reset();
      for (const one of grids()) one.linesClear();
    },
    full() {
      isFull = !isFull;
      node.classList.toggle('viewer--full', isFull);
      document.body.classList.toggle('body--viewer', isFull);
      toolbar.show({ setting: settingNow(), isFull });
    },
    print: () => window.print(),
    help: helpOpen,
    card: () => cardOpen(jobId),
    invert: () => settingSet({ ...settingNow(), inverted: !settingNow().inverted }),
  };

  const toolbar = toolbarCreate({
    state,
    windows: Math.max(...result.images.map(({ pixels }) => pixels?.windows.length ?? 0), 0),
    source: windowSource(result.images.find(({ pixels }) => pixels)?.pixels),
    tables: result.images.every(({ pixels }) => !pixels || pixels.voi_table),
    hasPixels: result.images.some(({ pixels }) => pixels),
    onPreset: (choice) => settingSet(presetSetting(choice, settingNow())),
    onInvert: actions.invert,
    actions,
  });
  const hasLayers = result.images.some((image) => image.heatmaps?.length);
  const layers = layerControlsCreate({
    state,
    images: result.images,
    targets,
    masks,
    hasMaps: result.images.some((image) => image.pixels && image.maps_from_source),
  });

  function otherClose() {
    other?.grid.close();
    other = null;
    place.classList.remove('viewer__place--compare');
    place.closest('.result')?.classList.remove('result--compare');
    place.replaceChildren(grid.node);
    for (const stage of stages()) stage.show();
  }

  function otherOpen({ study, result: found }) {
    if (other) otherClose();
    if (grid.aloneId) grid.alone(grid.aloneId);
    const beside = gridCreate({ result: found, state, onSay });
    other = { grid: beside };
    const warn = found.package.digest !== result.package.digest;
    const words = t('viewer.priors.other', { date: dateTime(study.created_at) });
    place.classList.add('viewer__place--compare');
    place.closest('.result')?.classList.add('result--compare');
    place.replaceChildren(
      h('div', { className: 'compare' }, compareHead({ words: t('viewer.priors.current'), result }), grid.node),
      h('div', { className: 'compare' }, compareHead({ words, result: found, jobId: found.job, warn }), beside.node),
    );
    beside.show('common');
    for (const stage of stages()) stage.show();
  }

  const priors = priorsCreate({
    studyId: result.study.id,
    onChosen: (chosen) => (chosen ? otherOpen(chosen) : otherClose()),
  });

  state.listen((what) => {
    for (const one of grids()) one.show(what);
    toolbar.show({ setting: settingNow(), isFull });
    if (what === 'common') layers.show();
  });

  const node = h(
    'section',
    { className: 'viewer', 'aria-label': t('result.views'), 'data-bs-theme': 'dark' },
    h('div', { className: 'viewer__bars' }, toolbar.node, hasLayers && layers.node),
    place,
    h(
      'div',
      { className: 'viewer__foot' },
      h('span', { className: 'viewer__research' }, icon('warning'), t('disclaimer.short')),
      h(
        'button',
        { type: 'button', className: 'tool', onClick: actions.card },
        icon('viewer-card'),
        h('span', {}, t('viewer.card.open')),
      ),
    ),
    say,
  );
  toolbar.node.querySelector('.toolbar__end').prepend(priors.node);

  const detach = keysAttach({
    state,
    stageActive,
    targets,
    hasLayers,
    actions: {
      ...actions,
      flip: () => (stageActive() ?? grid.stages.get(activeId())).flip(),
      actualPixels: () => (stageActive() ?? grid.stages.get(activeId())).actualPixels(),
      alone: () => (other?.grid.stages.has(activeId()) ? other.grid : grid).alone(activeId()),
      escape() {
        if (isFull) actions.full();
        else for (const one of grids()) if (one.aloneId) one.alone(one.aloneId);
      },
    },
  });

  grid.show('common');
  layers.show();
  toolbar.show({ setting: settingNow(), isFull });
  const { firstView } = grid;
  firstView.then(() => priors.load());
  return {
    node,
    firstView,
    close() {
      detach();
      if (isFull) actions.full();
      for (const one of grids()) one.close();
    },
  };
}
