/**
 * The colours of a heatmap: inferno in 128 steps, as inference_worker/heatmaps.py draws it; a test compares the two.
 * Opacity grows with the value, so that what is weak looks weak.
 */
const hex =
  '00000401010602010a02020e04031205041707051b09061f0b07240d082910092d120a32150b37180c3c1b0c411e0c45' +
  '210c4a240c4f280b532b0b572f0a5b320a5e3609613909633d0965400a67440a68470b6a4a0c6b4d0d6c510e6c540f6d' +
  '57106e5a116e5d126e61136e64156e67166e6a176e6d186e71196e741a6e771c6d7a1d6d7d1e6d801f6c84206b87216b' +
  '8a226a8d23699025689326679727669a28659d2964a02a63a32c61a62d60a92e5ead305db0315bb3325ab63458b93556' +
  'bd3853c03a51c33b4fc63d4dc83f4bcb4149ce4347d04545d34743d54a41d84c3eda4e3cdd513adf5337e15635e35933' +
  'e55c30e75e2ee9612beb6429ec6726ee6a24ef6e21f1711ff2741cf37819f57b17f67e14f78212f8850ff8890cf98c0a' +
  'fa9008fa9407fb9706fb9b06fc9f07fca309fca60cfcaa0ffcae12fcb216fbb61afbba1ffbbe23fac228fac62df9c932' +
  'f8cd37f7d13df6d543f5d949f4dd4ff4e156f3e55df2e865f1ec6df1ef75f2f27df3f586f4f88ef6fa96f9fc9dfcffa4';

/** Drawn levels: 0 is nothing, levelCount − 1 the scale's maximum and above. */
export const levelCount = 128;
/** Opacity of the hottest colour. */
export const layerOpacity = 0.9;
/** Red, green, blue of every level, one after another. */
export const colours = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
