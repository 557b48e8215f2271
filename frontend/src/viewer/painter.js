/** One image's pixels and maps, and the picture of a part of them. Used in a worker of its own; knows no page. */
import { mapOf } from './maps.js';
import { pyramidOf } from './pixels.js';
import { blend, greyDraw, mapDraw } from './raster.js';
import { greyTable } from './window.js';

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

export class Painter {
  #pixels;
  #levels;
  #voiTable;
  #maps = null;
  #fromSource = null;
  #table = null;
  #tableFor = null;
  #levelsDrawn = null;
  #levelsFor = null;
  #grey = new Uint8Array(0);

  /** `pixels` as the API describes them, `planes` unpacked. */
  constructor(pixels, planes) {
    this.#pixels = pixels;
    this.#levels = pyramidOf(planes, pixels);
    this.#voiTable = planes.voiTable ?? null;
  }

  /** `maps` as mapsRead gives them. */
  mapsSet(maps, fromSource) {
    this.#maps = maps;
    this.#fromSource = fromSource;
  }

  /** The stored value under a pixel, or null off the image. */
  valueAt({ column, row }) {
    const [{ values, columns, rows }] = this.#levels;
    if (column < 0 || row < 0 || column >= columns || row >= rows) return null;
    return values[Math.floor(row) * columns + Math.floor(column)] + this.#pixels.value_offset;
  }

  /**
   * RGBA of width × height. `setting`: { shift, factor, index, inverted }. `layer`: { target, scaleMaximum, threshold, opacity } or
   * null. `lens`: drawn beside the view, so that what is remembered for the view stays.
   */
  draw({ view, setting, layer, lens = false }) {
    const size = view.width * view.height;
    if (!same(setting, this.#tableFor)) {
      this.#table = greyTable(this.#pixels, setting, setting.inverted, this.#voiTable);
      this.#tableFor = setting;
    }
    if (this.#grey.length !== size) this.#grey = new Uint8Array(size);
    greyDraw({ levels: this.#levels, table: this.#table, view, grey: this.#grey });
    const rgba = new Uint8ClampedArray(4 * size);
    const mapLevels = layer && this.#maps ? this.#mapLevels(view, layer, lens) : null;
    blend({ grey: this.#grey, mapLevels, opacity: layer?.opacity ?? 0, rgba });
    return rgba;
  }

  /** Window drags leave the map where it is: its levels are remembered until the view or the layer changes. */
  #mapLevels(view, { target, scaleMaximum, threshold }, lens) {
    const wanted = { view, target, scaleMaximum, threshold };
    if (!lens && same(wanted, this.#levelsFor)) return this.#levelsDrawn;
    const into = new Uint8Array(view.width * view.height);
    const map = { ...mapOf(this.#maps, target), fromSource: this.#fromSource, scaleMaximum };
    mapDraw({ map, view, threshold, into });
    if (!lens) {
      this.#levelsDrawn = into;
      this.#levelsFor = wanted;
    }
    return into;
  }
}
