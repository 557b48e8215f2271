/** Failures of models and of the system, in Spanish, by their codes. */
const said = (title, message, action) => ({ title, message, action });

export const esFailuresModel = {
  'model:not_validated': said(
    'Sin validar',
    'El paquete no ha superado ninguna validación, así que no se puede poner en servicio.',
    'Valídelo y espere el informe.',
  ),
  'model:validation_failed': said(
    'Validación fallida',
    'El paquete no superó su última validación, así que no se puede poner en servicio.',
    'Lea el informe; corrija el paquete, o valídelo de nuevo si el fallo fue del proceso de inferencia.',
  ),
  'model:package_archived': said(
    'Paquete archivado',
    'El paquete está archivado, así que no se puede poner en servicio.',
    'Sáquelo antes del archivo.',
  ),
  'model:none_deployed': said(
    'Ningún modelo en servicio',
    'No hay ningún paquete de modelo en servicio para este centro.',
    'Pida al administrador que active uno.',
  ),
  'model:package_missing': said(
    'Falta el paquete',
    'El paquete de modelo ligado a este trabajo no está en el almacén de objetos.',
    'Pida al administrador que lo instale de nuevo.',
  ),
  'model:digest_mismatch': said(
    'Paquete alterado',
    'El paquete de modelo no coincide con su huella, así que no se usó.',
    'Pida al administrador que lo instale de nuevo desde una fuente de confianza.',
  ),
  'model:invalid_package': said(
    'Paquete no válido',
    'No se puede leer el paquete de modelo.',
    'Pida al administrador que lo valide.',
  ),
  'model:too_large': said(
    'Modelo demasiado grande',
    'El modelo es mayor de lo que acepta este servidor; se rechazó por su tamaño, sin leerlo.',
    'Envíe un modelo menor; unos pesos de más de 2 GB no caben en un solo archivo ONNX.',
  ),
  'model:corrupt_onnx': said(
    'Archivo de modelo dañado',
    'El archivo del modelo no es ONNX, o está dañado o incompleto.',
    'Exporte de nuevo el modelo y vuelva a crear el paquete.',
  ),
  'model:unsupported_operator': said(
    'Operador no admitido',
    'El modelo usa un operador, o una versión de ONNX, que el motor no tiene.',
    'Exporte el modelo con operadores estándar; el detalle nombra el operador y su nodo.',
  ),
  'model:external_data_outside': said(
    'Pesos fuera del paquete',
    'El modelo remite a pesos que no están en su paquete, o no todos.',
    'Cree el paquete con todos los archivos del modelo dentro.',
  ),
  'model:label_count_mismatch': said(
    'Número de clases incorrecto',
    'El modelo da un número de puntuaciones distinto del número de clases del manifiesto.',
    'Corrija las clases del manifiesto, en el orden del entrenamiento, o tome el modelo que les corresponde.',
  ),
  'model:weights_not_finite': said(
    'Los pesos no son números',
    'Los pesos del modelo contienen NaN o infinito.',
    'Tome los pesos anteriores a la divergencia del entrenamiento; el detalle nombra el tensor.',
  ),
  'model:shape_mismatch': said(
    'El manifiesto y el modelo no concuerdan',
    'Las entradas o salidas del modelo no tienen los nombres y formas que declara el manifiesto.',
    'Corrija el manifiesto o exporte de nuevo el modelo; el detalle dice qué se declaró y qué se encontró.',
  ),
  'model:signature_missing': said(
    'Paquete sin firma',
    'Este servidor solo acepta paquetes firmados, y el paquete no tiene firma.',
    'Haga firmar el paquete por alguien cuya clave sea de confianza aquí e instálelo de nuevo.',
  ),
  'model:signature_invalid': said(
    'Firma incorrecta',
    'La firma del paquete no corresponde a este paquete.',
    'No use el paquete; obténgalo de nuevo de quien lo firmó.',
  ),
  'model:signer_unknown': said(
    'Firmante desconocido',
    'El paquete está firmado con una clave que aquí no es de confianza.',
    'Pida al operador que añada la clave pública del firmante, si se ha de confiar en él.',
  ),
  'model:golden_mismatch': said(
    'El paquete falla en sus entradas de referencia',
    'El paquete de modelo no reproduce sus propias salidas de referencia en este proceso de inferencia.',
    'Pida al administrador que revierta.',
  ),
  'model:session_failed': said(
    'El modelo no arranca',
    'El motor de inferencia no pudo cargar el modelo.',
    'Pida al administrador que valide el paquete en el hardware de este proceso de inferencia.',
  ),
  'model:out_of_memory': said(
    'El modelo necesita demasiada memoria',
    'El proceso de inferencia no tiene memoria suficiente para el modelo.',
    'Pida al operador un proceso con más memoria o un tamaño de lote menor.',
  ),
  'model:run_failed': said(
    'Falló la ejecución del modelo',
    'El modelo produjo un error con esta imagen.',
    'Reintente una vez; si falla de nuevo, comunique el trabajo al administrador.',
  ),
  'model:not_finite': said(
    'El modelo no dio un número',
    'La salida del modelo para esta imagen no es un número finito.',
    'Comunique el trabajo al administrador.',
  ),
  'model:mask_out_of_range': said(
    'La máscara no contiene probabilidades',
    'La máscara del modelo tiene valores fuera del intervalo de 0 a 1 para esta imagen.',
    'Comunique el trabajo al administrador.',
  ),
  'model:engine_crashed': said(
    'El modelo bloquea el motor',
    'El proceso que ejecutaba el modelo murió; nada más resultó afectado.',
    'No use el paquete; exporte de nuevo el modelo con operadores estándar.',
  ),
  'model:too_slow': said(
    'El modelo tarda demasiado',
    'El modelo no terminó en el tiempo que puede durar una validación.',
    'Busque bucles sin fin en el grafo; si la causa es la máquina, pida al operador que aumente VALIDATION_SECONDS.',
  ),
  'model:probabilities_wrong': said(
    'Las probabilidades no lo son',
    'Las probabilidades del modelo no están entre 0 y 1, no suman 1 o no se deducen de sus logits.',
    'Exporte de nuevo el modelo; output_activation en el manifiesto debe ser la del modelo.',
  ),
  'model:batch_dependent': said(
    'Las respuestas dependen del lote',
    'El modelo responde de otro modo a una imagen cuando hay otras a su lado.',
    'Exporte el modelo en modo de inferencia: lo causa una normalización por lotes en modo de entrenamiento.',
  ),
  'model:not_deterministic': said(
    'Las respuestas cambian solas',
    'El modelo responde de otro modo cuando recibe dos veces la misma imagen.',
    'Exporte el modelo en modo de inferencia, sin dropout ni operadores aleatorios.',
  ),
  'model:heatmap_flat': said(
    'Mapas de calor planos',
    'Los mapas de calor son iguales en todas partes, o menores que cero, así que no muestran nada.',
    'Elija otra capa CAM y cree de nuevo el paquete.',
  ),
  'model:heatmap_wrong': said(
    'Los mapas de calor no son lo que dicen ser',
    'Los mapas de calor no son los gradientes del modelo en la capa CAM, así que explicarían otra cosa.',
    'Cree de nuevo el paquete de modo que sus mapas salgan de su propio grafo.',
  ),
  'model:not_buildable': said(
    'No se puede crear un paquete',
    'Con este archivo y este formulario no se puede crear un paquete de modelo.',
    'Lea el detalle: dice qué no encaja; corrija el formulario o exporte el modelo de otro modo.',
  ),
  'system:worker_lost': said(
    'Proceso de inferencia perdido',
    'El proceso de inferencia se detuvo mientras tenía este trabajo, tantas veces como se permite.',
    'Reintente el trabajo; avise al operador si ocurre de nuevo.',
  ),
  'system:timeout': said(
    'Tardó demasiado',
    'El trabajo duró más de lo que debería durar cualquier estudio.',
    'Reintente el trabajo; avise al operador si ocurre de nuevo.',
  ),
  'system:object_missing': said(
    'Falta una imagen guardada',
    'Una imagen guardada no está en el almacén de objetos.',
    'Avise al operador; envíe de nuevo el estudio.',
  ),
  'system:object_corrupt': said(
    'Imagen guardada alterada',
    'Una imagen guardada no coincide con su huella.',
    'Avise al operador; envíe de nuevo el estudio.',
  ),
  'system:storage_unavailable': said(
    'Almacenamiento no disponible',
    'El almacén de objetos no respondió.',
    'Reintente más tarde; avise al operador si persiste.',
  ),
  'system:storage_full': said(
    'Almacenamiento lleno',
    'En el almacén de objetos no queda espacio.',
    'Avise al operador.',
  ),
  'system:contract_violation': said(
    'Orden ilegible',
    'El proceso de inferencia no pudo leer su orden; la plataforma y él son de versiones distintas.',
    'Pida al operador que ponga ambos en la misma versión.',
  ),
  'system:unexpected': said(
    'Error inesperado',
    'Falló algo que nadie había previsto.',
    'Reintente el trabajo; comunique su número al operador si ocurre de nuevo.',
  ),
};
