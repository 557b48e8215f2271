/**
 * What a reader has set: tool, layer and linking for all views, place and window for each. Views that are linked share place and
 * window. Knows no page; whoever listens redraws.
 */
import { presets } from './window.js';

export const tools = ['window', 'pan', 'zoom', 'measure', 'magnify'];
const placeFit = { zoom: 1, hx: null, hy: null };
const settingFile = { ...presets.file, index: 0, inverted: false };

/** `layer`: { on, target, opacity (0–100), threshold (0–100) }. Listeners get what changed: 'common', or a view's id. */
export class ViewerState {
  #listeners = new Set();
  #views = new Map();

  constructor(layer) {
    this.common = { tool: 'window', linked: true, layer };
  }

  viewAdd(id) {
    this.#views.set(id, { place: placeFit, setting: settingFile, turned: false, lines: [] });
  }

  viewRemove(id) {
    this.#views.delete(id);
  }

  view(id) {
    return this.#views.get(id);
  }

  listen(listener) {
    this.#listeners.add(listener);
  }

  commonSet(changes) {
    this.common = { ...this.common, ...changes };
    this.#tell('common');
  }

  layerSet(changes) {
    this.commonSet({ layer: { ...this.common.layer, ...changes } });
  }

  /** `changes` of place or setting reach all views while these are linked; the rest is the view's own. */
  viewSet(id, changes) {
    const shared = Object.fromEntries(
      ['place', 'setting'].filter((name) => name in changes).map((name) => [name, changes[name]]),
    );
    for (const [other, view] of this.#views) {
      if (other === id) Object.assign(view, changes);
      else if (this.common.linked && Object.keys(shared).length) Object.assign(view, shared);
      else continue;
      this.#tell(other);
    }
  }

  /** Everything about views as at the beginning, measurements included. */
  reset() {
    for (const [id, view] of this.#views) {
      Object.assign(view, { place: placeFit, setting: settingFile, turned: false, lines: [] });
      this.#tell(id);
    }
  }

  #tell(what) {
    for (const listener of this.#listeners) listener(what);
  }
}
