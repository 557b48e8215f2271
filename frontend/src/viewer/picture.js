/**
 * The picture of one view: the preview at once, the full pixels as soon as they are there, and the heatmap over either.
 * Draws what it is told; knows no tools.
 */
import { artifactUrl } from '../api.js';
import { heatmapImage, heatmapOf, mapStanding, outlineImage } from '../components/heatmap-layer.js';
import { latestOnly, PainterClient } from './painter-client.js';

const slowMilliseconds = 28;
const restMilliseconds = 140;
const ratioMaximum = 2;

const loaded = (image) => image && image.complete && image.naturalWidth > 0;

export class Picture {
  #image;
  #result;
  #canvas;
  #onState;
  #painter = null;
  #mapsReady = false;
  /** The raw maps are on their way or will be asked for: the server's own layer is not fetched for a moment's sake. */
  #mapsAwaited;
  #closed = false;
  #preview;
  #pictures = new Map();
  #last = null;
  #tempo = 0;
  #rest = null;
  #paint;

  /** `onState('loading' | 'full' | 'preview' | 'failed')`. */
  constructor({ image, result, canvas, onState }) {
    this.#image = image;
    this.#result = result;
    this.#canvas = canvas;
    this.#onState = onState;
    this.#paint = latestOnly((wish) => this.#draw(wish));
    this.#preview = this.#load(image.preview?.url);
    this.#mapsAwaited = Boolean(this.#mapsFrom() && artifactUrl(image.pixels?.url));
  }

  /** Whether window, values and threshold can be set. */
  get isFull() {
    return this.#painter !== null;
  }

  /** It is not opened for now, so its layer is the server's own. */
  rest() {
    this.#mapsAwaited = false;
    this.#redraw();
  }

  /** Fetch the full pixels. The preview stays until they are there, and for good when they cannot be had. */
  async open() {
    const pixels = this.#image.pixels;
    const url = artifactUrl(pixels?.url);
    if (!url) {
      this.#onState('preview');
      return;
    }
    this.#onState('loading');
    const maps = this.#mapsFrom();
    this.#mapsAwaited = maps !== null;
    const painter = new PainterClient();
    try {
      await painter.open({ pixels: { ...pixels, url: new URL(url, location.origin).href }, maps });
    } catch {
      painter.close(); // without memory or without the file: the preview is what can be shown, and the page says so
      this.#mapsAwaited = false;
      this.#onState('failed');
      return;
    }
    if (this.#closed) {
      painter.close();
      return;
    }
    this.#painter = painter;
    this.#redraw();
    await painter.mapsReady.then(
      () => {
        this.#mapsReady = maps !== null;
      },
      () => {}, // the server's own layer is shown in the maps' place
    );
    this.#mapsAwaited = false;
    this.#redraw();
    this.#onState('full');
  }

  close() {
    this.#closed = true;
    this.#painter?.close();
    this.#painter = null;
  }

  valueAt(point) {
    return this.#painter ? this.#painter.valueAt(point) : Promise.resolve(null);
  }

  /** `wish`: { matrix, frame, setting, layer }; layer is { on, target, opacity, threshold } in shares. Drawn when there is time. */
  show(wish) {
    this.#last = wish;
    this.#paint(wish);
  }

  /** A part of the view at another scale, for the lens: RGBA, or null without full pixels. `view` as raster.js has it. */
  async lens({ view, setting, layer }) {
    if (!this.#painter) return null;
    return this.#painter.draw({ view, setting, layer: this.#rawLayer(layer), lens: true });
  }

  /** Where the raw maps are and how they lie on the image; null without either. */
  #mapsFrom() {
    const url = artifactUrl(this.#image.raw_maps_url);
    const fromSource = this.#image.maps_from_source;
    return url && fromSource ? { url: new URL(url, location.origin).href, fromSource } : null;
  }

  #redraw() {
    if (this.#last) this.#paint(this.#last);
  }

  #load(address) {
    const url = artifactUrl(address);
    if (!url) return null;
    if (!this.#pictures.has(url)) {
      const picture = new Image();
      picture.addEventListener('load', () => this.#redraw());
      picture.src = url;
      this.#pictures.set(url, picture);
    }
    return this.#pictures.get(url);
  }

  /** The layer as the painter takes it, or null where it draws none. */
  #rawLayer(layer) {
    const map = layer?.on ? heatmapOf(this.#image, layer.target) : null;
    if (!this.#mapsReady || !map || mapStanding(map).kind === 'zero') return null;
    return {
      target: this.#result.targets.indexOf(layer.target),
      scaleMaximum: map.scale_maximum,
      threshold: layer.threshold,
      opacity: layer.opacity,
    };
  }

  async #draw({ matrix, frame, setting, layer }) {
    const ratio = this.#ratio();
    const width = Math.max(1, Math.round(frame.width * ratio));
    const height = Math.max(1, Math.round(frame.height * ratio));
    if (!this.#painter) {
      this.#size(width, height);
      this.#previewDraw(matrix, ratio, layer);
      return;
    }
    const started = performance.now();
    const raw = this.#rawLayer(layer);
    let rgba;
    try {
      rgba = await this.#painter.draw({
        view: {
          width,
          height,
          column: -matrix.ox / matrix.sx,
          row: -matrix.oy / matrix.scale,
          stepColumn: 1 / (matrix.sx * ratio),
          stepRow: 1 / (matrix.scale * ratio),
        },
        setting,
        layer: raw,
      });
    } catch {
      return; // closed meanwhile
    }
    this.#size(width, height);
    const context = this.#canvas.getContext('2d');
    context.putImageData(new ImageData(rgba, width, height), 0, 0);
    if (!raw && layer.on) this.#layerPicture(context, matrix, ratio, layer);
    this.#outlineDraw(context, matrix, ratio, layer);
    this.#canvas.dataset.drawn = 'full';
    this.#pace(performance.now() - started, ratio);
  }

  /** Device pixels a CSS pixel: fewer while drags would stutter, all once it rests. */
  #ratio() {
    const whole = Math.min(ratioMaximum, window.devicePixelRatio || 1);
    return this.#tempo > slowMilliseconds ? whole / 2 : whole;
  }

  #pace(took, ratio) {
    const whole = Math.min(ratioMaximum, window.devicePixelRatio || 1);
    clearTimeout(this.#rest);
    this.#tempo = took * (whole / ratio) ** 2;
    if (ratio === whole) return;
    this.#rest = setTimeout(() => {
      this.#tempo = 0;
      this.#redraw();
    }, restMilliseconds);
  }

  #size(width, height) {
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
  }

  #previewDraw(matrix, ratio, layer) {
    const context = this.#canvas.getContext('2d');
    context.fillStyle = '#000';
    context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (loaded(this.#preview)) {
      this.#overImage(context, matrix, ratio, this.#preview);
      this.#canvas.dataset.drawn = 'preview';
    }
    if (layer.on) this.#layerPicture(context, matrix, ratio, layer);
    this.#outlineDraw(context, matrix, ratio, layer);
  }

  /** The server's own layer, where the raw maps are not there or have no place on the image. */
  #layerPicture(context, matrix, ratio, layer) {
    if (this.#mapsAwaited) return;
    const address = heatmapImage(this.#image, layer.target, { viewName: '', onFail: null })?.getAttribute('src');
    const picture = this.#load(address);
    if (!loaded(picture)) return;
    context.globalAlpha = layer.opacity;
    this.#overImage(context, matrix, ratio, picture);
    context.globalAlpha = 1;
  }

  #outlineDraw(context, matrix, ratio, layer) {
    const address = layer.on ? outlineImage(this.#image, layer.target)?.getAttribute('src') : null;
    const picture = this.#load(address);
    if (loaded(picture)) this.#overImage(context, matrix, ratio, picture);
  }

  #overImage(context, { scale, sx, ox, oy }, ratio, picture) {
    const { columns, rows } = sizeOf(this.#image);
    context.save();
    context.setTransform(sx * ratio, 0, 0, scale * ratio, ox * ratio, oy * ratio);
    context.drawImage(picture, 0, 0, columns, rows);
    context.restore();
  }
}

/** { columns, rows } of the original where they are known, else of the preview: the same shape. */
export const sizeOf = ({ pixels, preview }) => ({
  columns: pixels?.columns ?? preview?.columns ?? 1,
  rows: pixels?.rows ?? preview?.rows ?? 1,
});
