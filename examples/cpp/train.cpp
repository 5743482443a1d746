// From a log to a saved model: trains the whole pipeline on all but the last tenth of the log, and
// measures how much of that tenth it finds.
//
//   train MODEL_DIRECTORY                              on a made-up log
//   train MODEL_DIRECTORY ITEMS.csv INTERACTIONS.csv   for their columns see data.hpp
#include <cstdio>
#include <string>

#include "data.hpp"
#include "evaluation.hpp"

using namespace relweave;

namespace {

bool show(model::Progress const& p) {
  if (p.step == p.steps) {
    std::printf("%-6s epoch %2d of %d  loss %.4f\n", std::string(p.stage).c_str(),
                static_cast<int>(p.epoch + 1), static_cast<int>(p.epochs), p.loss);
  }
  return true;  // false would stop the training and keep what it has learnt
}

void run(std::string const& directory, Data const& data, HostContext const& ctx) {
  Split const split = split_by_time(data);
  Log const& log = split.train;

  model::Recommender model;  // the defaults are the measured recipe
  model.fit(ctx,
            {.log = {.user = {log.user.data(), std::ssize(log.user)},
                     .item = {log.item.data(), std::ssize(log.item)},
                     .time = {log.time.data(), std::ssize(log.time)},
                     .strong = {log.strong.data(), std::ssize(log.strong)},
                     .user_count = data.users.size(),
                     .item_count = data.items.size()},
             .types = data.types,
             .item_features = data.vectors.view(),
             .items = data.items,
             .users = data.users},
            show);
  print_evaluation(ctx, model, split);
  model.save(directory);
  std::printf("saved to %s\n", directory.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 4) {
    std::fprintf(stderr, "usage: %s MODEL_DIRECTORY [ITEMS.csv INTERACTIONS.csv]\n", argv[0]);
    return 2;
  }
  try {
    HostContext const ctx;  // all processors; .threads = n takes fewer, with the same result
    run(argv[1], argc == 4 ? read_data(argv[2], argv[3]) : made_up_data(ctx), ctx);
    return 0;
  } catch (Error const& error) {  // names function, argument, what it got and what it expected
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
