"""``torchvision.ops``: boxes, their choice, and features inside them."""

# mypy: implicit-reexport

from minigrad.nn.detection import (
    batched_nms, box_area, box_convert, box_iou, clip_boxes_to_image, generalized_box_iou, generalized_box_iou_loss, masks_to_boxes, nms,
    roi_align,
)  # fmt: skip
