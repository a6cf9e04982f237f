"""Where frames come from: cameras, videos, photos, streams and clouds."""

from livedream.sources.devices import CameraInfo, list_cameras
from livedream.sources.source import Source
from livedream.sources.spec import open_source

__all__ = ["CameraInfo", "Source", "list_cameras", "open_source"]
