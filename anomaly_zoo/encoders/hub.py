"""Checkpoints of the Hugging Face Hub: a configuration and safetensors, downloaded once."""

from __future__ import annotations

from pathlib import Path

from anomaly_zoo.encoders.settings import one_line

CONFIG, WEIGHTS = "config.json", "model.safetensors"
CONVERTER = "SFconvertbot"  # the Hub's own account, which offers safetensors as a pull request
CONVERT = (
    "convert it once, timm.models.save_for_hf(timm.create_model('{name}', pretrained=True, "
    "num_classes=0), 'folder', safe_serialization=True), and give 'folder'"
)


def fetched(repo: str, revision: str | None = None) -> Path:
    """The folder on this machine that holds ``config.json`` and ``model.safetensors`` of a model.

    ``repo`` is "owner/model". What is not in the Hub's cache yet is downloaded. Only safetensors
    are: pickled weights could run code. Where the model has none, the Hub's own conversion of it,
    an open pull request, is taken; a ``revision`` that is given is kept to.

    Raises ImportError without huggingface_hub, ConnectionError where the Hub cannot be reached,
    PermissionError for a model whose terms are to be accepted, ValueError for one that is
    unknown, private or in another format.
    """
    try:
        from huggingface_hub import errors
    except ImportError as error:
        raise ImportError(
            f"models of the Hugging Face Hub need huggingface_hub ({one_line(error)}): "
            "pip install 'anomaly-zoo[timm]'"
        ) from None
    try:
        return _fetched(repo, revision)
    except errors.GatedRepoError:
        raise PermissionError(
            f"{repo} is open to those who accept its terms: do so at https://huggingface.co/{repo}"
            ", then log in with `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise ValueError(
            f"the Hugging Face Hub has no model {repo}, or it is private: check the name, or log "
            "in with `hf auth login`"
        ) from None
    except errors.RevisionNotFoundError:
        raise ValueError(f"{repo} has no revision {revision}") from None
    except errors.HFValidationError:
        raise ValueError(f"expected owner/model or owner/model@revision, got {repo!r}") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        raise ConnectionError(
            f"{repo} is not on this machine yet, and the Hugging Face Hub cannot be reached: "
            f"connect once, or give a folder with {CONFIG} and {WEIGHTS}"
        ) from None
    except errors.HfHubHTTPError as error:
        raise ConnectionError(
            f"the Hugging Face Hub did not give {repo}: {one_line(error)}"
        ) from None


def _fetched(repo: str, revision: str | None) -> Path:
    from huggingface_hub import errors

    try:
        config = _file(repo, CONFIG, revision)
    except errors.LocalEntryNotFoundError:
        raise
    except errors.EntryNotFoundError:
        raise ValueError(f"{repo} has no {CONFIG}: it is no model of timm's") from None
    try:
        # The folder is called after the commit: both files are of one and the same.
        return _file(repo, WEIGHTS, config.parent.name).parent
    except errors.LocalEntryNotFoundError:
        raise
    except errors.EntryNotFoundError:
        converted = _conversion(repo) if revision is None else None
        if converted is None:
            raise ValueError(
                f"{repo} has no {WEIGHTS}, and other weights are pickled Python, which could run "
                f"code: {CONVERT.format(name=f'hf_hub:{repo}')}"
            ) from None
    return _fetched(repo, converted)


def _file(repo: str, name: str, revision: str | None) -> Path:
    """One file of a model in the cache, downloaded if it is not there."""
    from huggingface_hub import constants, errors, get_session, hf_hub_download
    from huggingface_hub import try_to_load_from_cache as cached

    here = isinstance(cached(repo, name, revision=revision), str)
    if not here and not constants.HF_HUB_OFFLINE:
        try:
            get_session().head(constants.ENDPOINT, timeout=10)
        except Exception:  # those of the client that this release of the library uses
            # Said at once: the library would try again and again.
            raise errors.LocalEntryNotFoundError(f"{constants.ENDPOINT} does not answer") from None
    return Path(hf_hub_download(repo, name, revision=revision))


def _conversion(repo: str) -> str | None:
    """The revision at which the Hub's converter offers safetensors of a model, if it does."""
    from huggingface_hub import HfApi

    for offer in HfApi().get_repo_discussions(
        repo, author=CONVERTER, discussion_type="pull_request", discussion_status="open"
    ):
        if offer.author == CONVERTER and "safetensors" in offer.title:
            return offer.git_reference
    return None
