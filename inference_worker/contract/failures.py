"""The one catalogue of failure codes and of the words a person reads.

A code is `<responsibility>:<what>`. `input` means the sender must act, `model` the administrator, `system` the operator.
Codes are stable: integrators match on them. Nobody matches on the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Responsibility(StrEnum):
    """Who must act on a failure."""

    INPUT = "input"
    MODEL = "model"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in words (`message`) and what to do about it (`action`). `retryable`: the same input may succeed later."""

    code: str
    title: str
    message: str
    action: str
    retryable: bool = False

    @property
    def responsibility(self) -> Responsibility:
        return Responsibility(self.code.partition(":")[0])


# fmt: off
_CATALOGUE: tuple[Failure, ...] = (
    # input: the sender must act
    Failure("input:no_files", "No files", "The request holds no file.", "Send at least one file in the multipart field “files”."),
    Failure("input:too_many_files", "Too many files", "The study holds more files than one study may.", "Split the upload into one request per study."),
    Failure("input:too_large", "File too large", "A file is larger than this server accepts.", "Send files below the size limit, or ask the operator to raise it."),
    Failure("input:empty_file", "Empty file", "The file holds no bytes.", "Export the image again and resend it."),
    Failure("input:not_an_image", "Not an image", "The file is neither DICOM, PNG nor JPEG.", "Send the mammogram as DICOM, PNG or JPEG."),
    Failure("input:not_mammography", "Not a mammogram", "The DICOM object is not a mammography image.", "Send objects of modality MG, or digitised film marked as mammography (RG, CR or Secondary Capture)."),
    Failure("input:unsupported_sop_class", "Unsupported kind of DICOM object", "This kind of DICOM object is recognised but not read here.", "Send Digital Mammography X-Ray Images For Presentation."),
    Failure("input:for_processing", "Raw detector image", "The image is For Processing: raw detector data, which no installed model reads.", "Send the For Presentation image of the same view."),
    Failure("input:tomosynthesis", "Tomosynthesis", "Breast tomosynthesis is recognised but no installed model reads it.", "Send the 2D mammogram, or the synthesised 2D view For Presentation."),
    Failure("input:multi_frame", "Several frames", "The image holds more than one frame.", "Send single-frame mammograms."),
    Failure("input:unsupported_transfer_syntax", "Unsupported transfer syntax", "The pixel data is compressed in a way this server does not read.", "Send it uncompressed, JPEG, JPEG Lossless, JPEG-LS, JPEG 2000 or RLE."),
    Failure("input:unsupported_photometric_interpretation", "Unsupported photometric interpretation", "The image is not grey.", "Send MONOCHROME1 or MONOCHROME2 images."),
    Failure("input:unsupported_pixel_format", "Unsupported pixel format", "The stored pixel format cannot be read as a grey image.", "Send 8 to 16 bit grey images."),
    Failure("input:no_pixel_data", "No pixel data", "The DICOM object holds no pixels.", "Send image objects, not reports or structured data."),
    Failure("input:pixel_data_truncated", "Truncated pixels", "The pixel data ends before the image is complete.", "Export the image again and resend it."),
    Failure("input:file_truncated", "Truncated file", "The file ends in the middle.", "Export the image again and resend it."),
    Failure("input:pixel_data_corrupt", "Corrupt pixels", "The pixel data cannot be decoded.", "Export the image again and resend it."),
    Failure("input:header_corrupt", "Corrupt header", "The file's header cannot be read.", "Export the image again and resend it."),
    Failure("input:dimensions_too_large", "Image too large", "The image declares more pixels than any mammogram has.", "Send the original mammogram; nothing above the pixel limit is decoded."),
    Failure("input:dimensions_too_small", "Image too small", "The image is too small to be a mammogram.", "Send the original mammogram, not a thumbnail."),
    Failure("input:mixed_patients", "Several patients in one study", "The files belong to different patients.", "Send one request per patient and study."),
    Failure("input:mixed_studies", "Several studies in one request", "The files belong to different studies.", "Send one request per study."),
    Failure("input:duplicate_file", "The same image twice", "The request holds the same image more than once.", "Send every image once."),
    Failure("input:burned_in_annotation", "Burned-in annotation", "The image says that identifying text may be burned into its pixels.", "Remove the text from the pixels and set Burned In Annotation to NO."),
    Failure("input:invalid_field", "Invalid field", "A field of the request is not valid.", "Correct the fields named in “errors”."),
    Failure("input:unknown_deployment", "Unknown deployment", "No deployment has this name at this site.", "Leave the field out for the default, or ask the administrator for the names."),
    Failure("input:cancelled", "Cancelled", "The job was cancelled before it finished.", "Retry the job if the result is wanted after all."),
    Failure("input:unknown_package", "Unknown package", "No installed package has this digest.", "List the packages and give a digest from there."),
    Failure("input:not_an_archive", "Not a zip archive", "The file is not a zip archive, or it is damaged or cut short.", "Send the package as a zip archive, as a download of it gives one."),
    Failure("input:archive_refused", "Archive refused", "The archive holds what a model package may not: a link, a path outside it, a name twice, an encrypted entry, or files that its manifest does not list.", "Make the archive anew from the package's folder and nothing else."),
    Failure("input:package_in_service", "Package in service", "The package is in service, or runs as a candidate, so it cannot be archived.", "Put another package in its place first; the detail names the deployments."),
    Failure("input:reason_missing", "No reason given", "A change of a deployment needs a reason: the history says why.", "Send “reason” with at least five characters."),
    Failure("input:no_previous_package", "Nothing to roll back to", "The deployment has served no other package before this one.", "Activate a package instead."),
    Failure("input:already_candidate", "Already in service", "The package is the one in service, so it cannot run beside itself.", "Choose another package as the candidate."),
    Failure("input:no_candidate", "No candidate", "No candidate runs beside the package in service.", "Nothing needs to be stopped."),
    Failure("input:request_decided", "Already decided", "The request has been decided, applied or withdrawn.", "Make a new request."),
    Failure("input:needs_second_person", "Second person needed", "Whoever asked for the change cannot approve it.", "Ask another administrator."),
    Failure("input:deployment_moved", "The deployment has moved", "The deployment no longer serves what it served when the change was asked for.", "Look at what serves now and make a new request."),
    # input: files that arrive in pieces, in archives, or by reference
    Failure("input:unknown_upload", "Unknown upload", "Your site has no upload with this id.", "Create the upload first; one that has expired must be sent again."),
    Failure("input:upload_offset_mismatch", "Wrong offset", "The piece does not begin where the upload ends so far.", "Ask for the offset with HEAD and continue from there."),
    Failure("input:upload_busy", "Upload in progress", "Another request is sending bytes to this upload.", "Wait a few seconds, ask for the offset with HEAD and continue from there.", retryable=True),
    Failure("input:upload_checksum_mismatch", "Checksum mismatch", "The bytes that arrived are not the bytes that were announced.", "Send them again; the upload continues where its offset says, or anew where the whole file was wrong.", retryable=True),
    Failure("input:upload_length_exceeded", "More bytes than announced", "The piece runs past the length that the upload was created with.", "Create an upload of the file's real length."),
    Failure("input:upload_too_slow", "Too slow", "The bytes arrived more slowly than this server waits for; what arrived is kept.", "Ask for the offset with HEAD and continue from there, over a better connection.", retryable=True),
    Failure("input:upload_interrupted", "Connection lost", "The connection ended before the request did; what arrived is kept.", "Ask for the offset with HEAD and continue from there.", retryable=True),
    Failure("input:upload_incomplete", "Upload not complete", "The upload has not received all its bytes.", "Send the rest first."),
    Failure("input:upload_consumed", "Upload used already", "The upload has been handed over, or it belongs to something else.", "Send the file again if it is needed once more."),
    Failure("input:upload_gone", "Upload gone", "The upload has expired, was refused, or was ended.", "Create a new upload and send the file again."),
    Failure("input:upload_wrong_kind", "Wrong kind of upload", "A study needs single files; an archive is submitted as a batch.", "Create a batch from the archive, or send the files one by one."),
    Failure("input:too_many_uploads", "Too many uploads at once", "Your site has as many unfinished uploads, or as many connections sending, as it may.", "Finish or end some of them, then go on.", retryable=True),
    Failure("input:upload_space_used_up", "Upload space used up", "Your site's uploads hold as many bytes as they may.", "Wait until uploads have been processed, or end some of them.", retryable=True),
    Failure("input:archive_corrupt", "Archive unreadable", "The file is not a ZIP archive, or it is damaged or cut short.", "Create the archive again and resend it."),
    Failure("input:archive_too_large", "Archive too large", "Unpacked, the archive is larger than this server accepts.", "Split it into several archives."),
    Failure("input:archive_too_many_entries", "Too many entries", "The archive, or the place named, holds more entries than this server accepts.", "Split it into several."),
    Failure("input:archive_overlapping", "Archive overlaps itself", "Entries of the archive share the same bytes, as in a decompression bomb; nothing of it was read.", "Create the archive with an ordinary program."),
    Failure("input:archive_empty", "No images", "The archive, or the place named, holds no image.", "Send DICOM, PNG or JPEG files."),
    Failure("input:entry_unsafe_name", "Unsafe name", "The entry's name points outside the archive or cannot be a file's name.", "Create the archive with relative names."),
    Failure("input:entry_special_file", "Not a regular file", "The entry is a link, a device or another special file; it was not followed.", "Send the file itself."),
    Failure("input:entry_encrypted", "Encrypted entry", "The entry is protected by a password.", "Create the archive without a password; the connection is encrypted."),
    Failure("input:entry_nested_archive", "Archive in the archive", "The entry is itself an archive; it was not unpacked.", "Unpack it first, or send it as an archive of its own."),
    Failure("input:entry_duplicate_name", "Same name twice", "An earlier entry has the same name; only that one was read.", "Give every file its own name."),
    Failure("input:entry_ratio", "Suspicious compression", "The entry is compressed far more than any image can be.", "Send the image uncompressed, or with ordinary compression."),
    Failure("input:entry_corrupt", "Damaged entry", "The entry cannot be unpacked, or its checksum is wrong.", "Create the archive again and resend it."),
    Failure("input:entry_unsupported_compression", "Unsupported compression", "The entry is compressed in a way this server does not read.", "Use stored or deflated entries."),
    Failure("input:entry_ignored", "Not an image, ignored", "The entry is a file that comes with images, such as DICOMDIR; it was left aside.", "Nothing needs to be done."),
    Failure("input:prefix_not_allowed", "Place not allowed", "Your site may not import from this address.", "Ask the operator which addresses are open to your site."),
    Failure("input:prefix_unreadable", "Place not readable", "The address holds nothing, or it cannot be read.", "Check the address; ask the operator whether this server may read it."),
    # input: batches
    Failure("input:too_many_items", "Too many items", "A batch may not hold as many items.", "Split it into several batches."),
    Failure("input:duplicate_study", "Sent before", "The site has sent the very same files before and has a result; the batch refuses such studies.", "Use the earlier result, or release the item with “duplicates”: “rerun”."),
    Failure("input:batch_expired", "Batch expired", "The batch reached its expiry before this item was done.", "Retry the batch's cancelled items, or send them in a batch that may take longer."),
    Failure("input:batch_empty", "Nothing in it", "The batch was started and holds no item.", "Make a new batch with items, archives or prefixes."),
    Failure("input:webhook_address_refused", "Address not allowed", "Webhooks are not sent to this address.", "Give an https URL with a public address, or ask the operator to allow it."),
    Failure("input:webhook_inactive", "Webhook switched off", "Nothing is sent to a webhook that is switched off.", "Switch it on (is_active) and ask again."),
    Failure("input:too_many_webhooks", "Too many webhooks", "The site has as many webhooks as one site may.", "Remove one that is not used."),
    Failure("input:export_too_large", "Too many for one file", "The filters match more jobs than one file holds.", "Narrow the filters, by date for example, and export the parts."),
    Failure("input:too_many_views", "Too many saved views", "You keep as many views as one person may.", "Delete one that you do not use."),
    Failure("input:view_name_taken", "Name taken", "One of your views has this name already.", "Choose another name, or change that view."),
    Failure("input:unknown_event_type", "Unknown event type", "There is no event of this type.", "Take the types from /api/v1/docs, or none for all of them."),
    Failure("input:too_many_events", "Too many events", "More events lie between the two moments than are replayed at once.", "Ask for a shorter time."),
    Failure("input:quota_queued_jobs", "Too many jobs waiting", "As many jobs of your site wait as it may have waiting at once.", "Send more when some have finished, or ask the platform's administrator for a higher quota.", retryable=True),
    Failure("input:quota_studies_per_day", "Daily quota used up", "Your site has sent as many studies today (UTC) as it may in a day.", "Send more after midnight UTC, or ask the platform's administrator for a higher quota.", retryable=True),
    Failure("input:quota_storage", "Storage quota used up", "Your site's images take as much storage as it may use.", "Ask the platform's administrator for a higher quota or a shorter retention.", retryable=True),
    # model: the administrator must act
    Failure("model:not_validated", "Not validated", "The package has not passed a validation, so it cannot be put in service.", "Validate it and wait for the report."),
    Failure("model:validation_failed", "Validation failed", "The package failed its latest validation, so it cannot be put in service.", "Read the report; mend the package, or validate again if the worker was at fault."),
    Failure("model:package_archived", "Package archived", "The package is archived, so it cannot be put in service.", "Take it out of the archive first."),
    Failure("model:none_deployed", "No model in service", "No model package is in service for this site.", "Ask the administrator to activate one."),
    Failure("model:package_missing", "Package missing", "The model package pinned to this job is not in the object store.", "Ask the administrator to install it again."),
    Failure("model:digest_mismatch", "Package altered", "The model package does not match its digest, so it was not used.", "Ask the administrator to install it again from a trusted source."),
    Failure("model:invalid_package", "Invalid package", "The model package cannot be read.", "Ask the administrator to validate it."),
    Failure("model:too_large", "Model too large", "The model is larger than this server accepts; it was refused by its size, unread.", "Send a smaller model; weights above 2 GB cannot be in one ONNX file."),
    Failure("model:corrupt_onnx", "Corrupt model file", "The model file is not ONNX, or it is damaged or cut short.", "Export the model again and build the package anew."),
    Failure("model:unsupported_operator", "Unsupported operator", "The model uses an operator, or a version of ONNX, that the engine does not have.", "Export the model with standard operators; the detail names the operator and its node."),
    Failure("model:external_data_outside", "Weights outside the package", "The model points to weights that are not in its package, or not all there.", "Build the package with all of the model's files inside it."),
    Failure("model:label_count_mismatch", "Wrong number of classes", "The model gives another number of scores than the manifest has classes.", "Correct the classes in the manifest, in training order, or take the model that belongs to them."),
    Failure("model:weights_not_finite", "Weights are not numbers", "The model's weights hold NaN or infinity.", "Take the weights from before training diverged; the detail names the tensor."),
    Failure("model:shape_mismatch", "Manifest and model disagree", "The model's inputs or outputs do not have the names and shapes that the manifest declares.", "Correct the manifest or export the model again; the detail says what was declared and what was found."),
    Failure("model:signature_missing", "Package not signed", "This server accepts signed packages only, and the package has no signature.", "Have the package signed by someone whose key is trusted here, then install it again."),
    Failure("model:signature_invalid", "Signature is wrong", "The package's signature does not belong to this package.", "Do not use the package; get it again from its signer."),
    Failure("model:signer_unknown", "Signer unknown", "The package is signed with a key that is not trusted here.", "Ask the operator to add the signer's public key, if the signer is to be trusted."),
    Failure("model:golden_mismatch", "Package fails its golden inputs", "The model package does not reproduce its own golden outputs on this worker.", "Ask the administrator to roll back."),
    Failure("model:session_failed", "Model does not start", "The inference engine could not load the model.", "Ask the administrator to validate the package on this worker's hardware."),
    Failure("model:out_of_memory", "Model needs too much memory", "The worker has not enough memory for the model.", "Ask the operator for a larger worker or a smaller batch."),
    Failure("model:run_failed", "Model run failed", "The model raised an error on this image.", "Retry once; if it fails again, report the job to the administrator.", retryable=True),
    Failure("model:not_finite", "Model gave no number", "The model's output is not a finite number for this image.", "Report the job to the administrator."),
    Failure("model:mask_out_of_range", "Mask holds no probabilities", "The model's mask has values outside 0 to 1 for this image.", "Report the job to the administrator."),
    Failure("model:engine_crashed", "Model crashes the engine", "The process that ran the model died; nothing else was harmed.", "Do not use the package; export the model again with standard operators."),
    Failure("model:too_slow", "Model takes too long", "The model did not come to an end in the time that a validation may take.", "Look for endless loops in the graph; where the machine is at fault, ask the operator to raise VALIDATION_SECONDS."),
    Failure("model:probabilities_wrong", "Probabilities are none", "The model's probabilities do not lie between 0 and 1, do not sum to 1, or do not follow from its logits.", "Export the model again; the manifest's output_activation must be the model's."),
    Failure("model:batch_dependent", "Answers depend on the batch", "The model answers differently for an image when others are beside it.", "Export the model in inference mode: a batch normalisation in training mode does this."),
    Failure("model:not_deterministic", "Answers change by themselves", "The model answers differently when the same image is given twice.", "Export the model in inference mode, without dropout or random operators."),
    Failure("model:heatmap_flat", "Heatmaps are flat", "The heatmaps are the same everywhere, or below zero, so they show nothing.", "Choose another CAM layer and build the package again."),
    Failure("model:heatmap_wrong", "Heatmaps are not what they claim", "The heatmaps are not the model's gradients at the CAM layer, so they would explain something else.", "Build the package again so that its maps are made from its own graph."),
    Failure("model:not_buildable", "No package can be made", "No model package can be made of this file and this form.", "Read the detail: it names what does not fit; correct the form, or export the model in another way."),
    # system: the operator must act
    Failure("system:worker_lost", "Worker lost", "The worker stopped while it held this job, as often as is allowed.", "Retry the job; tell the operator if it happens again.", retryable=True),
    Failure("system:timeout", "Took too long", "The job ran longer than any study should.", "Retry the job; tell the operator if it happens again.", retryable=True),
    Failure("system:object_missing", "Stored image missing", "A stored image is not in the object store.", "Tell the operator; submit the study again."),
    Failure("system:object_corrupt", "Stored image altered", "A stored image does not match its digest.", "Tell the operator; submit the study again."),
    Failure("system:storage_unavailable", "Storage unavailable", "The object store did not answer.", "Retry later; tell the operator if it lasts.", retryable=True),
    Failure("system:storage_full", "Storage full", "The object store has no room left.", "Tell the operator.", retryable=True),
    Failure("system:contract_violation", "Unreadable order", "The worker could not read its order; platform and worker differ in version.", "Tell the operator to bring both to the same version."),
    Failure("system:unexpected", "Unexpected error", "Something failed that nobody foresaw.", "Retry the job; report its number to the operator if it happens again.", retryable=True),
)
# fmt: on

CATALOGUE: dict[str, Failure] = {failure.code: failure for failure in _CATALOGUE}


class CodedError(Exception):
    """An error with a failure code from the catalogue. `detail` is for engineers: no patient identity, no file contents."""

    def __init__(self, code: str, detail: str = "") -> None:
        if code not in CATALOGUE:
            raise KeyError(f"{code} is not in the failure catalogue")
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}" if detail else code)

    @property
    def failure(self) -> Failure:
        return CATALOGUE[self.code]


def failure_for(code: str) -> Failure:
    """The words for a code; an unknown one (from a newer worker) reads as unexpected but keeps its own code."""
    known = CATALOGUE.get(code)
    if known is not None:
        return known
    unexpected = CATALOGUE["system:unexpected"]
    return Failure(code, unexpected.title, unexpected.message, unexpected.action, unexpected.retryable)
