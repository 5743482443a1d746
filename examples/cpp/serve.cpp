// Recommendations from a saved model, made in Python or in C++: for a history of item ids, oldest
// first, and for somebody of whom nothing is known.
//
//   serve MODEL_DIRECTORY [--k N] [--threads N] [--measure REQUESTS] [ITEM_ID ...]
#include <charconv>
#include <cstdio>
#include <future>
#include <string>
#include <string_view>
#include <vector>

#include <relweave/relweave.hpp>

#include "latency.hpp"

using namespace relweave;

namespace {

using Answer = std::vector<model::ScoredItem>;

struct Options {
  std::string model;
  std::int64_t k = 10, threads = 2, measure = 0;
  std::vector<std::string> history;
};

std::int64_t whole_number(std::string_view name, std::string_view word) {
  std::int64_t value = 0;
  auto const [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) {
    raise<ConfigError>("serve", name, "'" + std::string(word) + "'", "a whole number");
  }
  return value;
}

Options options_of(std::vector<std::string> const& words) {
  Options options{.model = words.at(0)};
  for (std::size_t w = 1; w < words.size(); ++w) {
    std::int64_t* const number = words[w] == "--k"         ? &options.k
                                 : words[w] == "--threads" ? &options.threads
                                 : words[w] == "--measure" ? &options.measure
                                                           : nullptr;
    if (number == nullptr) {
      options.history.push_back(words[w]);
      continue;
    }
    *number = whole_number(words[w], w + 1 < words.size() ? words[w + 1] : "nothing");
    if (*number < 1) {
      raise<ConfigError>("serve", words[w], std::to_string(*number), "at least 1");
    }
    ++w;
  }
  return options;
}

// Users of a model give and receive their own ids, strings or integers; inside, ids are dense.
NodeId dense_id(io::Vocabulary const& items, std::string const& id) {
  auto const found = items.holds_integers() ? items.find(whole_number("item", id)) : items.find(id);
  if (!found) {
    raise<ConfigError>("serve", "item", "'" + id + "'", "an id of the model's catalogue");
  }
  return static_cast<NodeId>(*found);
}

void print(io::Vocabulary const& items, char const* title, Answer const& answer) {
  std::printf("%s\n", title);
  int place = 0;
  for (auto const& [item, score] : answer) {
    auto const i = static_cast<std::size_t>(item);
    std::string const id =
        items.holds_integers() ? std::to_string(items.integers()[i]) : items.strings()[i];
    std::printf("%3d  %.9g  %s\n", ++place, static_cast<double>(score), id.c_str());
  }
}

void run(Options const& options) {
  model::Recommender const model = model::load_checkpoint(options.model);
  std::vector<NodeId> history;
  for (std::string const& id : options.history) {
    history.push_back(dense_id(model.items(), id));
  }

  // One model serves any number of threads; `.threads = 1` keeps each request on its caller's.
  std::vector<std::future<Answer>> requests;
  for (std::int64_t t = 0; t < options.threads; ++t) {
    requests.push_back(std::async(std::launch::async, [&] {
      return model.recommend(HostContext{.threads = 1}, history, options.k);
    }));
  }
  Answer const cold = model.recommend(HostContext{.threads = 1}, {}, options.k);
  Answer const first = requests.front().get();
  for (std::size_t t = 1; t < requests.size(); ++t) {
    if (requests[t].get() != first) {
      throw Error("the threads differ");
    }
  }
  print(model.items(), "for this history", first);
  print(model.items(), "for a new user", cold);
  if (options.measure > 0) {
    print_latency(model, options.threads, options.measure, options.k);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s MODEL_DIRECTORY [options] [ITEM_ID ...]\n", argv[0]);
    return 2;
  }
  try {
    run(options_of({argv + 1, argv + argc}));
    return 0;
  } catch (Error const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
