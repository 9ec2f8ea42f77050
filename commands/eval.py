"""`polyfield eval`: the scores of a run."""

from __future__ import annotations

from typing import Any

from polyfield.commands.arguments import parse
from polyfield.commands.hydra_job import execute, job
from polyfield.commands.opening import open_task, run_folder

HELP = """\
polyfield eval: score a run on views, or samples, that it has not seen

usage: polyfield eval run=RUN [key=value ...]

  run=RUN                the run
  checkpoint=latest      latest | best | a step
  split=test             test | val | train; other tasks than radiance have test alone
  limit=N                at most N images, evenly spread
  pictures=true          truth | render | error | depth of each image, in RUN/renders/eval
                         (RUN/renders/eval_<split> of another split than test)
  data=PATH              where the photos lie now, if they were moved
  device=auto            auto | cpu | cuda
  trust=[PACKAGE,...]    packages whose classes the run may name, for fields of your own

Prints PSNR and SSIM of each image and their means, and writes them to RUN/eval.json (eval_<split>
of another split than test) with the resolution, split, background and protocol that they were taken
with; of a picture, sound ... the PSNR of all and of what was held out, of a shape IoU and error at
points anywhere and near the surface. What an image cannot have, such as a score without valid
pixels, is left out with a note.

examples:
  polyfield eval run=runs/first
  polyfield eval run=runs/first checkpoint=best
  polyfield eval run=runs/first split=train limit=8 pictures=false
"""


def main(words: list[str]) -> None:
    """Run `polyfield eval WORDS...`."""
    execute("eval", run, parse(words))


@job
def run(config: dict[str, Any]) -> float:
    """Evaluate, write, print; the score by which runs are told apart."""
    from polyfield.commands.scores import (
        number_of,
        pictures_folder,
        print_notes,
        score_table,
        summary,
        write_scores,
    )
    from polyfield.training import checkpoint

    folder = run_folder(config)
    task = open_task(config)
    split = config["split"]
    out = pictures_folder(folder, split)
    scores = task.evaluate(split, out if config["pictures"] else None, config["limit"])
    scores["step"] = checkpoint.read_state(checkpoint.resolve(folder, config["checkpoint"]))["step"]
    file = write_scores(folder, scores)
    print(score_table(scores))
    rate = f", {scores['rays_per_second']:,.0f} rays/s" if "rays_per_second" in scores else ""
    print(f"\n{summary(scores)}{rate}")
    print(f"protocol  {scores['protocol']}")
    print_notes(scores)
    print(f"written   {file}")
    if config["pictures"]:
        print(f"pictures  {out}")
    return number_of(scores, task.score_name)
