/** Every word in Spanish: one line an area. */
import { esAdministration } from './es-administration.js';
import { esBatches } from './es-batches.js';
import { esDeployments } from './es-deployments.js';
import { esGuide } from './es-guide.js';
import { esOnboarding } from './es-onboarding.js';
import { esOperations } from './es-operations.js';
import { esRegistry } from './es-registry.js';
import { esServer } from './es-server.js';
import { esViewer } from './es-viewer.js';
import { esWorklist } from './es-worklist.js';
import { es } from './es.js';

export const catalogue = {
  ...es,
  ...esAdministration,
  ...esBatches,
  ...esDeployments,
  ...esGuide,
  ...esOnboarding,
  ...esOperations,
  ...esRegistry,
  ...esWorklist,
  server: esServer,
  viewer: esViewer,
};
