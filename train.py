"""One training run: pre-training and fine-tuning are this file with different configs.

    deepspeed train.py --config configs/pt.yaml                     as many processes as the machine has GPUs, else one
    deepspeed --num_accelerators 2 train.py --config configs/demo/pt.yaml
    python train.py --config configs/demo/pt.yaml optim.lr=5e-4     one process; a.b=c overrides the file
    srun python train.py --config configs/pt.yaml                   the tasks of a Slurm step; docs/training.md

Killed or stopped at any moment, the same command goes on from the last checkpoint, and the loss curve is the same
curve. SIGTERM saves a checkpoint and exits with code 75; so does the end of the launcher, also by kill -9.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mcg.config import RunConfig, load_config
from mcg.engine.checkpoint import find_checkpoint, has_latest
from mcg.inputs import check_inputs
from mcg.launch.failures import told_plainly
from shards.base import no_garbage_collection
from shards.cli import DEBUG_OPTION, SAVED, one_line_errors, start_command

_STOPPING_SECONDS = 22.0
"""From SIGTERM to the end of a process that need not end at once: launchers kill after 30 s."""


def run(config: RunConfig) -> int:
    """Train as the config says; returns the exit code."""
    run_dir = Path(config.run_dir)
    check_inputs(config, ("train", "val"), weights=not has_latest(run_dir) and config.checkpoint.to is None)

    with no_garbage_collection():
        import torch

        from mcg import distributed
        from mcg.convert.init import initialise
        from mcg.convert.start import start_from
        from mcg.engine.best import BestSoFar
        from mcg.engine.deepspeed import Engine, start_distributed
        from mcg.engine.record.changes import changes
        from mcg.engine.record.log import RunLog
        from mcg.engine.record.profile import StepProfile, part
        from mcg.engine.record.spikes import Spikes
        from mcg.engine.rewind import Rewind
        from mcg.engine.saving import save_checkpoint, wait_for_save
        from mcg.engine.schedule import Schedule
        from mcg.engine.store.background import Background
        from mcg.engine.store.copies import open_copies, wait_for_copies
        from mcg.engine.store.resume import resume_point
        from mcg.engine.store.run_lock import hold
        from mcg.engine.weights import load_weights
        from mcg.tasks.task import Scores
        from mcg.text import open_texts
        from mcg.uses import Uses
        from shards import Loader
        from shards.base import say
        from shards.loader import RunAccounting, StepTimer
        from shards.order import hash64
        from shards.storage import retry_seconds

    device = start_distributed(config.engine)
    rank, world = distributed.rank(), distributed.world_size()
    if config.engine.threads is not None:
        torch.set_num_threads(config.engine.threads)
    torch.manual_seed(int(hash64(config.seed)) >> 1)
    stop = _Stop()

    texts = open_texts(config.model)
    uses = Uses(config, texts)
    config = config.model_copy(update={"model": uses.completed(config.model)})
    uses.check_world_size(world)  # now, not at the first evaluation
    run_dir.mkdir(parents=True, exist_ok=True)
    scores: dict[str, Scores] = {}
    ledger, accumulation = run_dir / f"quarantine-{rank}.jsonl", config.engine.accumulation_steps
    weigh = uses.weigh if uses.weighs else None
    with hold(run_dir) as lock, Loader(uses.train, rank, world, uses.encode, ledger, weigh) as loader:
        model = config.model.build(texts)
        model.checkpoint_activations(config.engine.activation_checkpointing)
        if config.engine.compile:
            model.compile_blocks()
        schedule = Schedule(config.schedule, loader.elements_per_batch * accumulation, loader.num_elements)

        # How to begin (docs/checkpoints.md): 1. this run's own checkpoint; 2. that of continue_from; 3. weights of
        # init_from, then released ones of init over them; 4. from scratch.
        kept = config.checkpoint
        copies = open_copies(kept.to, run_dir, kept.keep, kept.keep_every_steps)
        checkpoint = resume_point(run_dir, config.continue_from)
        begin = "from scratch"
        if checkpoint is not None:
            load_weights(model, checkpoint.folder, texts)  # refuses another's; the engine's state replaces them
        else:
            if config.init_from is not None:
                begin = f"from {start_from(model, config.model, find_checkpoint(config.init_from), texts)}"
            begin = ", then ".join([begin, *initialise(model, config.model, config.init)])
        bundle = uses.bundle(model)
        uses.prepare(bundle, run_dir, device)
        size, of_datasets = uses.train.batch_size, uses.of_datasets()
        engine = Engine(bundle, config.engine, config.optim, schedule, size, config.seed, device, of_datasets)
        if checkpoint is not None:
            engine.load(checkpoint.folder, checkpoint.step)
            loader.load_state_dict(checkpoint.cursor)
            begin = f"from {checkpoint.folder}"

        if engine.step >= schedule.total_steps:
            say(f"{run_dir} is done: step {engine.step} of {schedule.total_steps}; use another run_dir to train anew")
            if distributed.any_rank(rank == 0 and uses.lacks_scores(run_dir), device):
                # killed before they were written
                uses.write(uses.evaluate(engine.bundle.model, device), run_dir, rank)
            if kept.to is not None:
                wait_for_copies(copies)
            return 0
        batches, accounting = iter(loader), RunAccounting(loader, distributed.gather_objects)
        first_step = engine.step
        written, vocabulary = config.stored, texts.fingerprint
        best, timer = BestSoFar(run_dir, written, vocabulary, engine.step), StepTimer(loader, accumulation)
        background = Background() if kept.in_background else None
        if background is not None:
            engine.before_update = background.wait_for_copy
        profile = StepProfile(run_dir, config.engine.profile)
        spikes, rewind = Spikes(config.engine.spikes, run_dir, engine.step), Rewind(run_dir, engine, background)
        with RunLog(run_dir, config.log, schedule.total_steps, engine.step, written) as log:
            log.say(f"{uses.name}: {begin}; steps {engine.step} to {schedule.total_steps}, {world} process(es)")
            log.say(f"decode: {loader.decoder}")
            if uses.unscored:
                log.say(f"not scored on the way, for they have no val: {', '.join(uses.unscored)}")
            log.started()
            if checkpoint is not None:
                log.changed(engine.step, changes(checkpoint.config, written))
            if engine.step == 0 and config.log.evaluate_at_start:
                for found in uses.evaluate(engine.bundle.model, device).values():
                    log.scores(0, "val", found.metrics, found.use)
            while engine.step < schedule.total_steps:
                # ---- one step -------------------------------------------------------------------------------------
                distributed.doing("waiting for the data of", f"step {engine.step + 1}", retry_seconds())
                profile.before(engine.step + 1)
                timer.begin()
                with part("data"):
                    group = [next(batches) for _ in range(accumulation)]
                losses = engine.train_step(group)
                elements, use = world * sum(map(len, group)), uses.use_of(group[0].dataset)
                log.step(engine.step, losses, timer.end(), elements, group, engine.work, use)
                accounting.after_step()
                if (spike := spikes.look(losses, group)) is not None:
                    spiked = engine.step
                    log.spike(spiked, spike)
                    if config.engine.spikes.rewind:
                        if (why_not := rewind()) is None:
                            log.rewound(engine.step, spiked, spike)
                            continue
                        log.say(f"not gone back: {why_not}")
                # ---- evaluate, save, stop ---------------------------------------------------------------------------
                last = engine.step == schedule.total_steps
                scores = {}
                if uses.has_val and (last or _due(engine.step, config.log.evaluate_every_steps)):
                    scores = uses.evaluate(engine.bundle.model, device)
                    for found in scores.values():
                        log.scores(engine.step, "val", found.metrics, found.use)
                    if best.consider(engine, accounting.cursor(), uses.headline(scores)):
                        log.say(f"step {engine.step} is the best so far: {best.name} {best.value:.4f} on val")
                stopping = distributed.any_rank(stop(), device)
                if last or stopping or _due(engine.step, config.checkpoint.every_steps):
                    distributed.doing("saving", f"step {engine.step}")
                    if lock is not None:
                        lock.check()
                    save_checkpoint(
                        run_dir,
                        engine,
                        accounting.cursor(),
                        written,
                        kept.keep,
                        vocabulary,
                        keep_every_steps=kept.keep_every_steps,
                        background=background,
                        copies=copies,
                    )
                if (last or stopping) and background is not None:
                    wait_for_save(run_dir, background)
                if (told := profile.after(engine.step, ends=last or stopping)) is not None:
                    log.say(told)
                if stopping and not last:
                    if copies is not None and (told := copies.wait(stop.seconds_left())) is not None:
                        log.say(told)
                    log.say(f"stopped by SIGTERM after step {engine.step}; the same command goes on from there")
                    return SAVED
                uses.write(scores, run_dir, rank, last)
            total = accounting.finish()
            done = total.elements
            log.say(f"done: {done.delivered} elements delivered, {done.substituted} substituted; {run_dir}")
            if rank == 0:
                facts = {"steps": engine.step, "since_step": first_step, **total.to_dict()}
                (run_dir / "accounting.json").write_text(json.dumps(facts) + "\n")
        engine.close()
        if kept.to is not None:
            wait_for_copies(copies)
    return 0


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0


class _Stop:
    """Notes SIGTERM."""

    def __init__(self) -> None:
        self._received: float | None = None
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, *_: Any) -> None:
        if self._received is None:
            self._received = time.monotonic()

    def __call__(self) -> bool:
        return self._received is not None

    def seconds_left(self) -> float:
        """Seconds that this process may still take."""
        since = 0.0 if self._received is None else time.monotonic() - self._received
        return max(0.0, _STOPPING_SECONDS - since)


def main(
    config: Annotated[Path, typer.Option(help="A YAML file under configs/; its head says what to expect.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="a.b=c, over the config file.")] = None,
    debug: bool = DEBUG_OPTION,
    local_rank: Annotated[int, typer.Option("--local_rank", "--local-rank", hidden=True)] = 0,
) -> None:
    """Train as a config says, from where the run stands."""
    with one_line_errors(debug, "stopped; the same command goes on from the last checkpoint"), told_plainly():
        code = run(load_config(config, overrides or []))
    raise SystemExit(code)


if __name__ == "__main__":
    start_command(main, "train.py")
