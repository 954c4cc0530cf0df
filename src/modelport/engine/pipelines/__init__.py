"""A model that is a graph of others: its steps are models of this server, each batched on its own."""

from modelport.engine.pipelines.definition import PipelineOptions, Step
from modelport.engine.pipelines.model import PipelineModel, pipeline_model
from modelport.engine.pipelines.runner import PipelineFront

__all__ = ["PipelineFront", "PipelineModel", "PipelineOptions", "Step", "pipeline_model"]
